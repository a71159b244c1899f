// A form whose text would be lost if the session has ended meanwhile: it is sent only once the console has said that its person is still
// signed in. `beforeSending` runs right before it goes.
export function startKeeping(form, say, beforeSending = () => {}) {
  let isKnown = false;
  let isAsking = false;
  form.addEventListener("submit", async (event) => {
    if (isKnown) {
      beforeSending();
      return;
    }
    event.preventDefault();
    if (isAsking) return;
    isAsking = true;
    const submitter = event.submitter;
    let state;
    try {
      state = (await fetch("/signed-in", { redirect: "manual" })).status === 204 ? "" : "signed out";
    } catch {
      state = "away";
    }
    isAsking = false;
    if (state === "") {
      isKnown = true;
      form.requestSubmit(submitter);
      isKnown = false;
    } else {
      say(state);
    }
  });
}

// What a person is told then, with a way to sign in that leaves the page as it is.
export function tellState(place, state) {
  place.textContent = state === "away" ? "Not saved: the console does not answer. Your text stays here. " : "Not saved: you are signed out. Your text stays here. ";
  if (state !== "away") {
    const link = document.createElement("a");
    link.href = "/sign-in";
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Sign in in another window";
    place.append(link, ", then save again.");
  }
  place.dataset.state = "bad";
}
