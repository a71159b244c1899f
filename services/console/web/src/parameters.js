// Adds and removes rows of a form. The server's form has two empty rows, so it also works without this script.
export function startParameters() {
  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-add-row]");
    if (add) {
      const rows = document.getElementById(add.dataset.addRow);
      const row = rows.lastElementChild.cloneNode(true);
      for (const box of row.querySelectorAll("input, select")) {
        if (box.type === "checkbox") box.checked = false;
        else if (box.tagName === "SELECT") box.selectedIndex = 0;
        else box.value = "";
      }
      renumber(row, rows.children.length);
      rows.append(row);
      row.querySelector("input").focus();
      return;
    }
    const cut = event.target.closest("[data-cut-row]");
    if (!cut) return;
    const row = cut.closest("[data-row]");
    const form = row.closest("form");
    if (row.parentElement.children.length === 1) {
      for (const box of row.querySelectorAll("input")) box.type === "checkbox" ? (box.checked = false) : (box.value = "");
    } else {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      next.querySelector("input").focus();
    }
    form?.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

function renumber(row, number) {
  for (const box of row.querySelectorAll("[name]")) box.name = box.name.replace(/\d+$/, number);
  for (const box of row.querySelectorAll("[id]")) {
    const label = row.querySelector(`label[for="${box.id}"]`);
    box.id = box.id.replace(/\d+$/, number);
    if (label) label.htmlFor = box.id;
  }
}
