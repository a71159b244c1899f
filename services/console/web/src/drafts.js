// Drafts: what is typed in the editor is kept in this browser until it is saved, so that neither the end of a session nor a closed window
// loses it. A draft is of one person, integration, version and window, and is offered back: it is never put over a newer text by itself.

const PREFIX = "forebay draft ";
const SENT = "forebay sent draft";
const PAUSE = 250;
const KEPT_FOR = 30 * 24 * 3600 * 1000;
const MOST_OFFERED = 5;

function stored(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // Storage is refused: nothing was kept either.
  }
}

// Each key that begins so, with its draft; what is too old is removed on the way.
function draftsOf(owner) {
  const found = [];
  try {
    for (const key of Object.keys(localStorage).filter((one) => one.startsWith(PREFIX))) {
      const draft = stored(key);
      if (!draft || Date.now() - draft.at > KEPT_FOR) forget(key);
      else if (key.startsWith(`${PREFIX}${owner} `)) found.push({ key, draft });
    }
  } catch {
    // Storage is refused.
  }
  return found.sort((one, other) => other.draft.at - one.draft.at);
}

// On the page to which a saved definition leads: its draft has done its work.
export function forgetSaved() {
  if (!new URLSearchParams(location.search).has("saved")) return;
  try {
    const key = sessionStorage.getItem(SENT);
    if (key) forget(key);
    sessionStorage.removeItem(SENT);
  } catch {
    // Storage is refused.
  }
}

// `form`: what is kept, whole. `desk`: says whether something was changed (`isChanged`) and whether the form says what the text does not
// yet (`isPending`), and takes over a draft that its author wants back (`restore`).
export class Drafts {
  constructor(form, desk) {
    this.form = form;
    this.desk = desk;
    this.owner = form.dataset.draft;
    // What was refused on saving comes back with the page: it goes on in the draft that it was sent from.
    const isRefused = form.dataset.saved === "no";
    const sent = this.sentKey();
    this.key = isRefused && sent ? sent : this.newKey();
    if (isRefused) this.keep();
    addEventListener("pagehide", () => this.timer && this.keep());
    this.offer();
  }

  newKey() {
    return `${PREFIX}${this.owner} ${this.form.elements.version.value} ${Date.now().toString(36)}`;
  }

  sentKey() {
    try {
      const key = sessionStorage.getItem(SENT);
      sessionStorage.removeItem(SENT);
      return key;
    } catch {
      return null;
    }
  }

  // Something was typed.
  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), PAUSE);
  }

  keep() {
    clearTimeout(this.timer);
    this.timer = null;
    const sent = new URLSearchParams(new FormData(this.form)).toString();
    try {
      const draft = { at: Date.now(), version: this.form.elements.version.value, isPending: this.desk.isPending, sent };
      localStorage.setItem(this.key, JSON.stringify(draft));
    } catch {
      // Storage is full or refused: the text is on the page alone.
    }
  }

  // It is on its way to be saved.
  sent() {
    this.keep();
    try {
      sessionStorage.setItem(SENT, this.key);
    } catch {
      // Storage is refused.
    }
  }

  offer() {
    const place = document.getElementById("drafts");
    const shown = this.form.elements.source.value;
    for (const { key, draft } of draftsOf(this.owner)) {
      if (key === this.key) continue;
      const fields = new URLSearchParams(draft.sent);
      const source = fields.get("source")?.replaceAll("\r\n", "\n");
      // Another window with nothing but what is stored.
      if (source === shown && !draft.isPending) {
        forget(key);
        continue;
      }
      if (place.childElementCount >= MOST_OFFERED) break;
      place.append(this.offered(key, draft, fields));
    }
  }

  offered(key, draft, fields) {
    const now = this.form.elements.version.value;
    const age = draft.version === now || now === "0" ? "" : `, written on version ${draft.version}; the current one is ${now}`;
    const box = document.createElement("div");
    box.className = "notice warn";
    box.setAttribute("role", "status");
    const title = document.createElement("strong");
    title.textContent = "A draft was not saved";
    const rest = document.createElement("div");
    const words = document.createElement("p");
    words.textContent = `It is of ${new Date(draft.at).toLocaleString()}${age}.`;
    const actions = document.createElement("div");
    actions.className = "actions";
    actions.append(
      button("Restore draft", async () => {
        // What was typed on this page meanwhile stays a draft of its own.
        if (this.desk.isChanged) this.keep();
        if (!(await this.desk.restore(fields))) return;
        this.key = this.newKey();
        this.keep();
        forget(key);
        box.remove();
      }),
      button("Discard draft", () => {
        forget(key);
        box.remove();
      }),
    );
    rest.append(words, actions);
    box.append(title, rest);
    return box;
  }
}

function button(words, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button small";
  made.textContent = words;
  made.addEventListener("click", action);
  return made;
}
