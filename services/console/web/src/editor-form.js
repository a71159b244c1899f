// The editor's page: what is written is checked while it is written; the form and the text are two views of the same definition; an example
// is run as soon as it or the definition changes.

import { showTimes } from "./times.js";

const PAUSE = 350;

export function startForm() {
  const form = document.querySelector("form[data-check]");
  if (!form) return;
  const text = form.elements.source;
  const say = document.getElementById("editor-state");
  const saved = form.dataset.saved === "no" ? null : text.defaultValue;
  let turn = 0;
  let typed = 0;

  async function ask(address, action) {
    const data = new URLSearchParams(new FormData(form));
    data.set("action", action);
    const answer = await fetch(address, { method: "POST", body: data, headers: { accept: "application/json" } });
    if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
    return answer.json();
  }

  // What somebody is typing in the form stays: it is newer than the answer.
  function show(result, isTyped) {
    // The form is of this text, also where its newer fields stay.
    if (isTyped && form.elements.form && result.form) form.elements.form.value = result.form;
    for (const [id, html] of Object.entries(result.parts ?? {})) {
      const part = document.getElementById(id);
      if (!part || (id === "trigger-form" && isTyped)) continue;
      const focused = part.contains(document.activeElement) ? document.activeElement : null;
      part.innerHTML = html;
      showTimes(part);
      if (focused?.name) sameControl(part, focused)?.focus();
    }
    text.dispatchEvent(new CustomEvent("checked", { detail: result.problems ?? [] }));
  }

  function sameControl(part, control) {
    const named = [...part.querySelectorAll(`[name="${CSS.escape(control.name)}"]`)];
    return named.find((one) => one.type !== "radio" && one.type !== "checkbox" || one.value === control.value);
  }

  async function check(action) {
    turn += 1;
    const mine = turn;
    typed = 0;
    const asked = text.value;
    say.textContent = "Checking";
    try {
      const result = await ask(form.dataset.check, action);
      // A later change has asked again since.
      if (mine !== turn) return;
      if (text.value !== asked) {
        soon(action);
        return;
      }
      if (action === "write" && result.source !== undefined && result.source !== text.value) {
        text.value = result.source;
        text.dispatchEvent(new Event("replaced"));
      }
      show(result, typed > 0);
      const problems = result.problems?.length ?? 0;
      const changed = text.value !== saved;
      say.textContent = problems ? `${problems} problem${problems === 1 ? "" : "s"}` : changed ? "Valid, not saved" : "Valid";
      say.dataset.state = problems ? "bad" : "good";
    } catch (error) {
      say.textContent = `Not checked: ${error.message}`;
      say.dataset.state = "bad";
    }
  }

  let waiting = null;
  const soon = (action) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => check(action), PAUSE);
  };
  text.addEventListener("input", () => soon("check"));
  document.addEventListener("change", (event) => {
    if (event.target.form === form && event.target.closest("#trigger-form")) soon("write");
    else if (event.target === form) soon("write");
  });
  document.addEventListener("input", (event) => {
    if (event.target.form !== form) return;
    if (event.target.closest("#example")) soon("check");
    if (event.target.closest("#trigger-form")) typed += 1;
  });
  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-line]");
    if (!place) return;
    event.preventDefault();
    text.dispatchEvent(new CustomEvent("goto", { detail: Number(place.dataset.line) }));
  });
  let leaving = false;
  form.addEventListener("submit", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && text.value !== saved) event.preventDefault();
  });
  check("check");
}
