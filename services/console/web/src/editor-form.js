// The editor's page: the form and the text are two views of the same definition.
//
// Where each thing lives, so that nothing which is typed can be lost:
// - The text (the textarea "source") is the definition. Saving sends it together with the form, whatever has been checked until then.
// - "drawn" is a text of which the form's fields said exactly the same when they were last drawn or written. What a person has changed in
//   the form is the difference between the fields and "drawn". The server puts that difference over the text, however new the text is, so
//   neither view can undo the other.
// - The server's answer is of one state of both. It is told by their revisions: an answer about an older text is dropped, and one about an
//   older form draws nothing. The form is drawn anew only as a whole and never under a person's hands (redraw.js).
// - What the server said when Save was refused is in a part of its own, which no check touches. Drafts are in drafts.js.

import { Drafts } from "./drafts.js";
import { isTyped, redrawForm, redrawPart } from "./redraw.js";
import { startKeeping, tellState } from "./session.js";
import { showTimes } from "./times.js";

const PAUSE = 350;
const PATIENCE = 30_000;

class Desk {
  constructor(form) {
    this.form = form;
    this.text = form.elements.source;
    this.part = document.getElementById("trigger-form");
    this.state = document.getElementById("editor-state");
    this.isChanged = form.dataset.saved === "no";
    // Counts what people have typed: in the text, and in the form.
    this.textRevision = 0;
    this.formRevision = 0;
    // The form's revision that is in the text.
    this.writtenRevision = 0;
    this.isAsking = false;
    this.isDue = false;
    this.waitsForFocus = false;
    this.drafts = new Drafts(form, this);
  }

  get isPending() {
    return this.formRevision !== this.writtenRevision;
  }

  typedText() {
    this.textRevision += 1;
    this.changed();
  }

  typedForm() {
    this.formRevision += 1;
    this.changed();
  }

  changed() {
    this.isChanged = true;
    this.drafts.changed();
    this.soon();
  }

  soon(pause = PAUSE) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ask(), pause);
  }

  say(words, state) {
    this.state.textContent = words;
    if (state) this.state.dataset.state = state;
  }

  async post(fields) {
    const answer = await fetch(this.form.dataset.check, {
      method: "POST", body: fields, headers: { accept: "application/json" }, redirect: "manual", signal: AbortSignal.timeout(PATIENCE),
    });
    if (answer.type === "opaqueredirect") throw new SignedOut();
    if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
    return answer.json();
  }

  // One question at a time; what changes meanwhile is asked about after it.
  async ask() {
    clearTimeout(this.timer);
    if (this.isAsking) {
      this.isDue = true;
      return;
    }
    this.isAsking = true;
    this.isDue = false;
    const of = { text: this.textRevision, form: this.formRevision };
    this.say("Checking");
    try {
      this.take(await this.post(new URLSearchParams(new FormData(this.form))), of);
    } catch (error) {
      if (error instanceof SignedOut) this.say("Not checked: you are signed out. Your text is kept in this browser.", "bad");
      else this.say(`Not checked: ${error.message}`, "bad");
    } finally {
      this.isAsking = false;
      if (this.isDue) this.soon(0);
    }
  }

  take(answer, of) {
    // The text is newer than the answer: nothing of it holds any more, and what the form says is asked about again.
    if (this.textRevision !== of.text) {
      this.soon();
      return;
    }
    if (answer.source !== this.text.value) {
      this.text.value = answer.source;
      this.text.dispatchEvent(new Event("replaced"));
      this.isChanged = true;
      this.drafts.changed();
    }
    // What the form said when it was asked about is in the text now.
    if (this.form.elements.drawn) this.form.elements.drawn.value = answer.drawn;
    if (answer.written) this.writtenRevision = of.form;
    if (answer.said) this.remark(answer.said);
    this.tell(answer);
    if (this.formRevision !== of.form) this.soon();
    else this.redraw(answer.parts);
  }

  tell(answer) {
    this.text.dispatchEvent(new CustomEvent("checked", { detail: answer.problems }));
    const problems = answer.problems.length;
    if (problems) this.say(`${problems} problem${problems === 1 ? "" : "s"}`, "bad");
    else this.say(this.isChanged ? "Valid, not saved" : "Valid", "good");
  }

  // What was done to the text stays to be read, whatever is checked after it.
  remark(html) {
    const place = document.getElementById("said");
    if (!place.innerHTML.includes(html)) place.insertAdjacentHTML("beforeend", html);
  }

  redraw(parts) {
    this.waitsForFocus = false;
    for (const [id, html] of Object.entries(parts)) {
      const part = document.getElementById(id);
      if (!part) continue;
      if (part !== this.part) redrawPart(part, html);
      else if (!redrawForm(part, html)) this.waitsForFocus = true;
      showTimes(part);
    }
  }

  leftFocus() {
    if (this.waitsForFocus) this.soon();
  }

  // A draft as it was typed: its text, and what its form had changed. Saving it is saving over the version that it was written on.
  async restore(fields) {
    let answer;
    try {
      answer = await this.post(fields);
    } catch (error) {
      this.say(`The draft was not restored: ${error instanceof SignedOut ? "you are signed out" : error.message}`, "bad");
      return false;
    }
    this.text.value = answer.source;
    this.text.dispatchEvent(new Event("replaced"));
    for (const name of ["example_body", "example_query", "example_type", "example_steps", "version"]) {
      if (fields.has(name)) this.form.elements[name].value = fields.get(name);
    }
    // The form has to show the draft before anything is written by it again; where it cannot, it has nothing to write.
    if (answer.parts["trigger-form"]) this.part.innerHTML = answer.parts["trigger-form"];
    this.writtenRevision = this.formRevision;
    this.typedText();
    return true;
  }
}

class SignedOut extends Error {}

export function startForm() {
  const form = document.querySelector("form[data-check]");
  if (!form) return;
  const desk = new Desk(form);
  desk.text.addEventListener("input", () => desk.typedText());
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      // A row that was taken away is a change of the form itself.
      if (event.target === form || event.target.form === form && desk.part.contains(event.target)) desk.typedForm();
      else if (event.target.form === form && event.target.closest("#example")) desk.changed();
    });
  }
  desk.part.addEventListener("focusout", () => desk.leftFocus());
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (!place) return;
    event.preventDefault();
    desk.text.dispatchEvent(new CustomEvent("goto", { detail: Number(place.dataset.line) }));
  });
  let isLeaving = false;
  startKeeping(form, (state) => tellState(desk.state, state), () => {
    isLeaving = true;
    desk.drafts.sent();
  });
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && desk.isChanged) event.preventDefault();
  });
  // Text typed before this script was loaded counts too.
  if (isTyped(desk.text)) desk.typedText();
  if ([...desk.part.querySelectorAll("[name]")].some(isTyped)) desk.typedForm();
  desk.ask();
}
