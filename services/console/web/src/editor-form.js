// The editor's page: the form and the text are two views of the same definition.
//
// No change that the user types is lost:
// - The text (the textarea "source") is the definition. Saving sends the text and the form, also if the last check has not ended.
// - The field "drawn" has the text from which the form's fields were last drawn, or into which they were last written. The user's changes
//   in the form are the differences between the fields and "drawn". The server applies these differences to the current text, so neither
//   view can undo the other.
// - A response of the server belongs to one revision of the text and one of the form. The page ignores a response for an older text, and
//   does not redraw the form from a response for an older form. It redraws the form completely or not at all (redraw.js).
// - The reasons of a failed save are in a separate part of the page, which checks do not change. drafts.js stores drafts.

import { Drafts } from "./drafts.js";
import { isEdited, redrawForm, redrawPart } from "./redraw.js";
import { checkSessionBeforeSending, showNotSaved } from "./session.js";
import { showTimes } from "./times.js";

const CHECK_DELAY = 350;
const CHECK_TIMEOUT = 30_000;

class Editor {
  constructor(form) {
    this.form = form;
    this.text = form.elements.source;
    this.part = document.getElementById("trigger-form");
    this.state = document.getElementById("editor-state");
    this.isChanged = form.dataset.saved === "no";
    // Counters of the user's changes in the text and in the form.
    this.textRevision = 0;
    this.formRevision = 0;
    // The revision of the form that is in the text.
    this.writtenRevision = 0;
    this.isChecking = false;
    this.isDue = false;
    this.waitsForFocus = false;
    this.drafts = new Drafts(form, this);
  }

  get isPending() {
    return this.formRevision !== this.writtenRevision;
  }

  textChanged() {
    this.textRevision += 1;
    this.changed();
  }

  formChanged() {
    this.formRevision += 1;
    this.changed();
  }

  changed() {
    this.isChanged = true;
    this.drafts.changed();
    this.scheduleCheck();
  }

  scheduleCheck(delay = CHECK_DELAY) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), delay);
  }

  showState(text, state) {
    this.state.textContent = text;
    if (state) this.state.dataset.state = state;
  }

  async post(fields) {
    const response = await fetch(this.form.dataset.check, {
      method: "POST", body: fields, headers: { accept: "application/json" }, redirect: "manual", signal: AbortSignal.timeout(CHECK_TIMEOUT),
    });
    if (response.type === "opaqueredirect") throw new SignedOut();
    if (!response.ok) throw new Error(`the console responded with status ${response.status}`);
    return response.json();
  }

  // Sends one check at a time. A change during a check causes another check after it.
  async check() {
    clearTimeout(this.timer);
    if (this.isChecking) {
      this.isDue = true;
      return;
    }
    this.isChecking = true;
    this.isDue = false;
    const checked = { text: this.textRevision, form: this.formRevision };
    this.showState("Checking");
    try {
      this.apply(await this.post(new URLSearchParams(new FormData(this.form))), checked);
    } catch (error) {
      if (error instanceof SignedOut) this.showState("Not checked: you are signed out. This browser has stored your text as a draft.", "bad");
      else this.showState(`Not checked: ${error.message}`, "bad");
    } finally {
      this.isChecking = false;
      if (this.isDue) this.scheduleCheck(0);
    }
  }

  apply(response, checked) {
    // The response is for an older text: the page ignores it and checks again.
    if (this.textRevision !== checked.text) {
      this.scheduleCheck();
      return;
    }
    if (response.source !== this.text.value) {
      this.text.value = response.source;
      this.text.dispatchEvent(new Event("replaced"));
      this.isChanged = true;
      this.drafts.changed();
    }
    // The text now has the form's changes of the checked revision.
    if (this.form.elements.drawn) this.form.elements.drawn.value = response.drawn;
    if (response.written) this.writtenRevision = checked.form;
    if (response.said) this.addNotice(response.said);
    this.showProblems(response.problems);
    if (this.formRevision !== checked.form) this.scheduleCheck();
    else this.redraw(response.parts);
  }

  showProblems(problems) {
    this.text.dispatchEvent(new CustomEvent("checked", { detail: problems }));
    const count = problems.length;
    if (count) this.showState(`${count} problem${count === 1 ? "" : "s"}`, "bad");
    else this.showState(this.isChanged ? "Valid, not saved" : "Valid", "good");
  }

  // Notices about changes of the text stay on the page after later checks.
  addNotice(html) {
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

  focusLeft() {
    if (this.waitsForFocus) this.scheduleCheck();
  }

  // Restores the text of a draft with the changes of its form. The version of the draft becomes the base of the next save.
  async restore(fields) {
    let response;
    try {
      response = await this.post(fields);
    } catch (error) {
      this.showState(`The draft was not restored: ${error instanceof SignedOut ? "you are signed out" : error.message}`, "bad");
      return false;
    }
    this.text.value = response.source;
    this.text.dispatchEvent(new Event("replaced"));
    for (const name of ["example_body", "example_query", "example_type", "example_steps", "version"]) {
      if (fields.has(name)) this.form.elements[name].value = fields.get(name);
    }
    // The form shows the draft before the next check; otherwise the check would write the form's old values into the text.
    if (response.parts["trigger-form"]) this.part.innerHTML = response.parts["trigger-form"];
    this.writtenRevision = this.formRevision;
    this.textChanged();
    return true;
  }
}

class SignedOut extends Error {}

export function startForm() {
  const form = document.querySelector("form[data-check]");
  if (!form) return;
  const editor = new Editor(form);
  editor.text.addEventListener("input", () => editor.textChanged());
  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      // The removal of a row sends the event of the form itself.
      if (event.target === form || event.target.form === form && editor.part.contains(event.target)) editor.formChanged();
      else if (event.target.form === form && event.target.closest("#example")) editor.changed();
    });
  }
  editor.part.addEventListener("focusout", () => editor.focusLeft());
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (!place) return;
    event.preventDefault();
    editor.text.dispatchEvent(new CustomEvent("goto", { detail: Number(place.dataset.line) }));
  });
  let isLeaving = false;
  checkSessionBeforeSending(form, (reason) => showNotSaved(editor.state, reason), () => {
    isLeaving = true;
    editor.drafts.sent();
  });
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && editor.isChanged) event.preventDefault();
  });
  // The user may have typed before the browser loaded this script.
  if (isEdited(editor.text)) editor.textChanged();
  if ([...editor.part.querySelectorAll("[name]")].some(isEdited)) editor.formChanged();
  editor.check();
}
