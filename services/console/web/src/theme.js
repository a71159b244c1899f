// Runs before the browser draws the page, so that the page never appears in the other theme.
const root = document.documentElement;
root.classList.add("scripted");
let chosen = null;
try {
  chosen = localStorage.getItem("theme");
} catch {
  // The browser refuses storage: the theme of the system applies.
}
if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
