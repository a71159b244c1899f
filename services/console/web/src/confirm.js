// Shows a confirmation dialog for each button with data-confirm. Without this script the browser sends the button's form at once.
export function startConfirming() {
  const dialog = document.getElementById("confirm");
  if (!dialog) return;
  const text = dialog.querySelector("[data-confirm-text]");
  const go = dialog.querySelector("[data-confirm-go]");
  let confirmedButton = null;
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-confirm]");
    if (!button || !button.form.reportValidity()) return;
    event.preventDefault();
    confirmedButton = button;
    text.textContent = button.dataset.confirm;
    go.textContent = button.dataset.confirmGo || button.textContent;
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    // requestSubmit sends no click event, so the dialog does not open again.
    if (dialog.returnValue === "go") confirmedButton.form.requestSubmit(confirmedButton);
    else confirmedButton.focus();
  });
}
