// Updates the parts of a page that are marked data-live. The server sends an event after each change (server-sent events); the script then
// fetches the page again and redraws these parts.
import { redrawPart } from "./redraw.js";
import { showTimes } from "./times.js";

const MIN_INTERVAL = 1000;

export function startLive() {
  const source = document.querySelector("[data-live-source]")?.dataset.liveSource;
  if (!source) return;
  const mark = document.querySelector("[data-live-mark]");
  const showState = (state, text) => {
    if (!mark) return;
    mark.dataset.state = state;
    mark.textContent = text;
  };
  let isFetching = false;
  let isDue = false;
  let lastFetch = 0;

  async function refresh() {
    if (isFetching || document.hidden || document.querySelector("dialog[open]")) {
      isDue = true;
      return;
    }
    isFetching = true;
    isDue = false;
    try {
      await new Promise((done) => setTimeout(done, Math.max(0, MIN_INTERVAL - (Date.now() - lastFetch))));
      const response = await fetch(location.href, { headers: { accept: "text/html" } });
      if (response.redirected && new URL(response.url).pathname !== location.pathname) {
        location.reload();
        return;
      }
      const text = response.ok ? await response.text() : "";
      // An open dialog belongs to a button of the current page, which must not be replaced.
      if (document.querySelector("dialog[open]")) isDue = true;
      else if (response.ok) replaceParts(new DOMParser().parseFromString(text, "text/html"));
    } catch {
      showState("off", "Not connected");
    } finally {
      lastFetch = Date.now();
      isFetching = false;
      if (isDue && !document.querySelector("dialog[open]")) refresh();
    }
  }

  const events = new EventSource(source);
  // Before the connection opened, the server sent no events, so the page may be out of date.
  events.addEventListener("open", () => {
    showState("on", "Live");
    refresh();
  });
  events.addEventListener("error", () => showState("off", "Not connected. Reconnecting"));
  events.addEventListener("changed", refresh);
  document.addEventListener("visibilitychange", () => isDue && refresh());
  // The timeout runs this after the listener of confirm.js, which sends the form.
  document.querySelector("dialog")?.addEventListener("close", () => setTimeout(() => isDue && refresh()));
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
