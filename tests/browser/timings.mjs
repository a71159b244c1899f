// Measures the response time of the console's pages: p50 and p95 of each, in milliseconds. SETUP_URL is the address in the console's log for
// the first administrator. If one exists, set NAME and PASSWORD, and SETUP_URL to the console's address.
//   SETUP_URL=... node timings.mjs [ROUNDS]
const setup = new URL(process.env.SETUP_URL);
const console_ = setup.origin;
const rounds = Number(process.argv[2] ?? 40);
const name = process.env.NAME ?? "ada";
const password = process.env.PASSWORD ?? "correct horse battery";

async function post(place, fields) {
  const response = await fetch(console_ + place, { method: "POST", redirect: "manual", headers: { origin: console_ }, body: new URLSearchParams(fields) });
  return response.headers.getSetCookie().map((cookie) => cookie.split(";")[0]).join("; ");
}

const code = setup.searchParams.get("code") ?? "";
const cookie = (await post("/setup", { code, name, password })) || (await post("/sign-in", { name, password }));
if (!cookie) throw new Error("the sign-in failed: check SETUP_URL, or NAME and PASSWORD");

async function get(place) {
  const started = performance.now();
  const response = await fetch(console_ + place, { headers: { cookie }, redirect: "manual" });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${place}: status ${response.status}`);
  return { duration: performance.now() - started, text };
}

const list = (await get("/executions")).text;
const id = /href="\/executions\/([a-z0-9]{30,})"/.exec(list)[1];
const failed = /href="\/executions\/([a-z0-9]{30,})"/.exec((await get("/executions?status=failed")).text)?.[1] ?? id;
const path = /href="\/integrations\/([^/"]+\/[^/"?]+)"/.exec((await get("/integrations")).text)[1];
const [tenant, integration] = path.split("/");
const before = /before=([a-z0-9]+)/.exec(list)?.[1];
const places = [
  "/integrations", `/integrations?tenant=${tenant}`, "/integrations?search=n77&page=1", `/integrations/${path}`, `/integrations/${path}/edit`,
  `/integrations/${path}/versions`, `/integrations/${path}/try`, "/integrations/new",
  "/executions", `/executions?before=${before}`, `/executions?tenant=${tenant}`, `/executions?tenant=${tenant}&integration=${integration}`,
  "/executions?status=failed", "/executions?status=succeeded", "/executions?status=expired", "/executions?status=failed&since=1h", "/executions?since=15m",
  "/executions?since=7d&status=failed", "/executions?search=order%3DWO-1", "/executions?search=nothing-of-this-kind", "/executions?error=mapping", `/executions?search=${id}`,
  `/executions/${id}`, `/executions/${failed}`,
  "/monitor", "/monitor?over=24h", "/monitor?over=7d", "/monitor?over=30d", `/monitor?tenant=${tenant}&over=7d`,
  "/alerts", "/connections", "/keys", "/users", "/tokens", "/audit", "/audit?action=integration.create", "/account",
];
let worst = 0;
for (const place of places) {
  const durations = [];
  for (let round = 0; round < rounds; round += 1) durations.push((await get(place)).duration);
  durations.sort((a, b) => a - b);
  const at = (quantile) => durations[Math.min(durations.length - 1, Math.floor(durations.length * quantile))];
  worst = Math.max(worst, at(0.95));
  console.log(`${at(0.5).toFixed(0).padStart(6)} ${at(0.95).toFixed(0).padStart(6)} ms  ${place.replace(id, "ID").replace(failed, "FAILED").replace(before, "ID")}`);
}
console.log(`worst p95: ${worst.toFixed(0)} ms`);
