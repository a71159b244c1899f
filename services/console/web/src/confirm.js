// A button with data-confirm asks first, in a dialog of the page. Without this script its form is sent at once.
export function startConfirming() {
  const dialog = document.getElementById("confirm");
  if (!dialog) return;
  const text = dialog.querySelector("[data-confirm-text]");
  const go = dialog.querySelector("[data-confirm-go]");
  let asked = null;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-confirm]");
    if (!button || !button.form.reportValidity()) return;
    event.preventDefault();
    asked = button;
    text.textContent = button.dataset.confirm;
    go.textContent = button.dataset.confirmGo || button.textContent;
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    // requestSubmit does not click, so no second question is asked.
    if (dialog.returnValue === "go") asked.form.requestSubmit(asked);
    else asked.focus();
  });
}
