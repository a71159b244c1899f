// Parts of a page that follow what happens. The server says that something changed (server-sent events); the page is fetched again, and the
// parts marked data-live are put in the place of the old ones.
import { redrawPart } from "./redraw.js";
import { showTimes } from "./times.js";

const MOST_OFTEN = 1000;

export function startLive() {
  const source = document.querySelector("[data-live-source]")?.dataset.liveSource;
  if (!source) return;
  const mark = document.querySelector("[data-live-mark]");
  const say = (state, words) => {
    if (!mark) return;
    mark.dataset.state = state;
    mark.textContent = words;
  };
  let fetching = false;
  let wanted = false;
  let last = 0;

  async function refresh() {
    if (fetching || document.hidden || document.querySelector("dialog[open]")) {
      wanted = true;
      return;
    }
    fetching = true;
    wanted = false;
    try {
      await new Promise((done) => setTimeout(done, Math.max(0, MOST_OFTEN - (Date.now() - last))));
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) {
        location.reload();
        return;
      }
      const text = answer.ok ? await answer.text() : "";
      // A question that is open is about a button of the page as it is.
      if (document.querySelector("dialog[open]")) wanted = true;
      else if (answer.ok) replaceParts(new DOMParser().parseFromString(text, "text/html"));
    } catch {
      say("off", "Not connected");
    } finally {
      last = Date.now();
      fetching = false;
      if (wanted && !document.querySelector("dialog[open]")) refresh();
    }
  }

  const events = new EventSource(source);
  // What happened between the drawing of the page and now, or while there was no connection, was not told.
  events.addEventListener("open", () => {
    say("on", "Live");
    refresh();
  });
  events.addEventListener("error", () => say("off", "Not connected; trying again"));
  events.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => wanted && refresh());
  // After the one that sends the form of what was asked for.
  document.querySelector("dialog")?.addEventListener("close", () => setTimeout(() => wanted && refresh()));
  addEventListener("pagehide", () => events.close());
}

function replaceParts(fresh) {
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || part.innerHTML === other.innerHTML) continue;
    redrawPart(part, other.innerHTML);
    showTimes(part);
  }
}
