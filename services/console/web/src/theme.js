// Runs before the page is drawn, so that a chosen theme does not flash in after the other one.
const root = document.documentElement;
root.classList.add("scripted");
let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {
  // Storage is refused by some browsers' settings: the system's theme stays.
}
if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
