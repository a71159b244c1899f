// The server writes times in UTC. This script shows them in the user's time zone and updates relative times such as "3 min ago".
const UNITS = [["second", 60], ["minute", 60], ["hour", 24], ["day", 30], ["month", 12], ["year", Infinity]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "narrow" });

function ago(milliseconds) {
  let amount = milliseconds / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(amount) < size) return words.format(Math.round(amount), unit);
    amount /= size;
  }
  return "";
}

export function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const whole = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
    if (time.dataset.as === "ago") {
      time.textContent = ago(at.getTime() - Date.now());
      time.title = whole;
    } else if (time.dataset.as === "clock") {
      // A chart of one day shows hours, a longer one shows days.
      const isToday = Math.abs(Date.now() - at.getTime()) < 25 * 3600 * 1000;
      time.title = whole;
      time.textContent = at.toLocaleString(undefined, isToday ? { timeStyle: "short" } : { dateStyle: "medium" });
    } else if (time.dataset.as === "local") {
      time.title = `${time.dateTime} (UTC)`;
      time.textContent = whole;
    }
  }
}

export function startTimes() {
  showTimes(document);
  setInterval(() => document.hidden || showTimes(document), 10_000);
}
