// Scripts of every page. Every page works without them.
import { startConfirming } from "./confirm.js";
import { deleteSavedDraft } from "./drafts.js";
import { startLive } from "./live.js";
import { startParameters } from "./parameters.js";
import { startTimes } from "./times.js";

function startTheme() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.addEventListener("click", () => {
      const root = document.documentElement;
      const dark = getComputedStyle(root).colorScheme === "dark"
        || (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
      const next = dark ? "light" : "dark";
      root.dataset.theme = next;
      try {
        localStorage.setItem("theme", next);
      } catch {
        // The browser refuses storage: the choice lasts until the next page.
      }
    });
  }
}

function startMenu() {
  const button = document.querySelector("[data-menu]");
  if (!button) return;
  const side = button.closest(".side");
  button.addEventListener("click", () => button.setAttribute("aria-expanded", String(side.classList.toggle("open"))));
  side.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !side.classList.contains("open")) return;
    side.classList.remove("open");
    button.setAttribute("aria-expanded", "false");
    button.focus();
  });
}

function startCopying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const text = document.getElementById(button.dataset.copy)?.textContent ?? "";
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(document.getElementById(button.dataset.copy));
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => (button.textContent = label), 2000);
  });
}

// Writes a key of 32 random bytes into the input that the button names.
function startGenerating() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-generate]");
    if (!button) return;
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const text = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const box = document.getElementById(button.dataset.generate);
    box.value = text;
    box.focus();
    box.select();
  });
}

function startSelectAll() {
  document.addEventListener("change", (event) => {
    const all = event.target.closest("[data-choose-all]");
    if (!all) return;
    for (const box of document.querySelectorAll(`input[name="${all.dataset.chooseAll}"]`)) box.checked = all.checked;
  });
}

function startSendOnChange() {
  for (const form of document.querySelectorAll("form[data-send-on-change]")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select")) form.requestSubmit();
    });
  }
}

deleteSavedDraft();
startTheme();
startMenu();
startCopying();
startGenerating();
startSelectAll();
startSendOnChange();
startConfirming();
startParameters();
startTimes();
startLive();
