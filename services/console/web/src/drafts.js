// Drafts: this browser stores the editor's content until it is saved, so that neither the end of a session nor a closed window loses it.
// A draft belongs to one user, integration, version and window. The page offers to restore a draft and never restores it by itself, because
// the stored version may be newer.

const PREFIX = "forebay draft ";
const SENT = "forebay sent draft";
const STORE_DELAY = 250;
const RETENTION = 30 * 24 * 3600 * 1000;
const MAX_OFFERED = 5;

function load(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function remove(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // The browser refuses storage, so nothing was stored.
  }
}

// Returns the owner's drafts with their keys, the newest first. Removes expired drafts.
function draftsOf(owner) {
  const found = [];
  try {
    for (const key of Object.keys(localStorage).filter((one) => one.startsWith(PREFIX))) {
      const draft = load(key);
      if (!draft || Date.now() - draft.at > RETENTION) remove(key);
      else if (key.startsWith(`${PREFIX}${owner} `)) found.push({ key, draft });
    }
  } catch {
    // The browser refuses storage.
  }
  return found.sort((one, other) => other.draft.at - one.draft.at);
}

// Deletes the draft of a definition that was saved. Runs on the page after saving.
export function deleteSavedDraft() {
  if (!new URLSearchParams(location.search).has("saved")) return;
  try {
    const key = sessionStorage.getItem(SENT);
    if (key) remove(key);
    sessionStorage.removeItem(SENT);
  } catch {
    // The browser refuses storage.
  }
}

// `form` is stored as a whole. `editor` has isChanged (the user has changed something), isPending (a change of the form is not in the text
// yet) and restore (puts a draft into the page).
export class Drafts {
  constructor(form, editor) {
    this.form = form;
    this.editor = editor;
    this.owner = form.dataset.draft;
    // After a failed save the page contains the sent text again and continues the draft from which it was sent.
    const isRefused = form.dataset.saved === "no";
    const sent = this.sentKey();
    this.key = isRefused && sent ? sent : this.newKey();
    if (isRefused) this.store();
    addEventListener("pagehide", () => this.timer && this.store());
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

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.store(), STORE_DELAY);
  }

  store() {
    clearTimeout(this.timer);
    this.timer = null;
    const sent = new URLSearchParams(new FormData(this.form)).toString();
    try {
      const draft = { at: Date.now(), version: this.form.elements.version.value, isPending: this.editor.isPending, sent };
      localStorage.setItem(this.key, JSON.stringify(draft));
    } catch {
      // Storage is full, or the browser refuses it: only the page has the text.
    }
  }

  // Stores the draft before the browser sends the form to save it.
  sent() {
    this.store();
    try {
      sessionStorage.setItem(SENT, this.key);
    } catch {
      // The browser refuses storage.
    }
  }

  offer() {
    const place = document.getElementById("drafts");
    const shown = this.form.elements.source.value;
    for (const { key, draft } of draftsOf(this.owner)) {
      if (key === this.key) continue;
      const fields = new URLSearchParams(draft.sent);
      const source = fields.get("source")?.replaceAll("\r\n", "\n");
      // The draft has the same text as the page.
      if (source === shown && !draft.isPending) {
        remove(key);
        continue;
      }
      if (place.childElementCount >= MAX_OFFERED) break;
      place.append(this.notice(key, draft, fields));
    }
  }

  notice(key, draft, fields) {
    const now = this.form.elements.version.value;
    const base = draft.version === now || now === "0" ? "" : ` It is based on version ${draft.version}; the current version is ${now}.`;
    const box = document.createElement("div");
    box.className = "notice warn";
    box.setAttribute("role", "status");
    const title = document.createElement("strong");
    title.textContent = "Unsaved draft";
    const rest = document.createElement("div");
    const text = document.createElement("p");
    text.textContent = `This browser stored a draft at ${new Date(draft.at).toLocaleString()}.${base}`;
    const actions = document.createElement("div");
    actions.className = "actions";
    actions.append(
      button("Restore draft", async () => {
        // Changes on this page become a separate draft.
        if (this.editor.isChanged) this.store();
        if (!(await this.editor.restore(fields))) return;
        this.key = this.newKey();
        this.store();
        remove(key);
        box.remove();
      }),
      button("Discard draft", () => {
        remove(key);
        box.remove();
      }),
    );
    rest.append(text, actions);
    box.append(title, rest);
    return box;
  }
}

function button(label, action) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button small";
  element.textContent = label;
  element.addEventListener("click", action);
  return element;
}
