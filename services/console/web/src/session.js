// Sends a form only while the user is signed in, because a form that is sent after the end of the session is lost. `showReason` gets the
// reason if the form is not sent. `beforeSending` runs right before the form is sent.
export function checkSessionBeforeSending(form, showReason, beforeSending = () => {}) {
  let isSignedIn = false;
  let isChecking = false;
  form.addEventListener("submit", async (event) => {
    if (isSignedIn) {
      beforeSending();
      return;
    }
    event.preventDefault();
    if (isChecking) return;
    isChecking = true;
    const submitter = event.submitter;
    let reason;
    try {
      reason = (await fetch("/signed-in", { redirect: "manual" })).status === 204 ? "" : "signed out";
    } catch {
      reason = "unreachable";
    }
    isChecking = false;
    if (reason === "") {
      isSignedIn = true;
      form.requestSubmit(submitter);
      isSignedIn = false;
    } else {
      showReason(reason);
    }
  });
}

// Shows the reason, with a link that opens the sign-in page in another window, so that this page stays.
export function showNotSaved(place, reason) {
  place.textContent = reason === "unreachable"
    ? "Not saved: the console does not respond. Your text stays on this page. Save again later."
    : "Not saved: you are signed out. Your text stays on this page. ";
  if (reason !== "unreachable") {
    const link = document.createElement("a");
    link.href = "/sign-in";
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Sign in in another window";
    place.append(link, ", then save again.");
  }
  place.dataset.state = "bad";
}
