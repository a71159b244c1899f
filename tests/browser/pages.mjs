// Checks every page of the console with content, in every look. Runs after story.mjs and signs in as its administrator.
import { has, is, checkPage, open } from "./browser.mjs";

const console_ = new URL(process.env.SETUP_URL).origin;
const { browser, page, faults } = await open();
const go = (place) => page.goto(console_ + place);
const main = () => page.locator("main").innerText();
const step = (words) => console.log(`- ${words}`);

// Saves a definition, a connection or an alert rule with the text of its page.
async function save(place, source) {
  await go(place);
  await page.evaluate((text) => {
    const box = document.querySelector("textarea[name=source]");
    box.value = text;
    box.dispatchEvent(new Event("replaced"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }, source);
  if (place.startsWith("/integrations")) await page.locator("#editor-state", { hasText: "Valid, not saved" }).waitFor();
  await page.click("button:has-text('Save')");
  await page.waitForURL((url) => url.pathname !== place);
}

async function call(name, body) {
  await go(`/integrations/acme/${name}/try`);
  await page.fill("[name=body]", body);
  await page.click("button:has-text('Send')");
  await page.locator("#result .card").first().waitFor();
}

try {
  await go("/sign-in");
  await page.fill("[name=name]", "ada");
  await page.fill("[name=password]", "correct horse battery");
  await page.click("button:has-text('Sign in')");
  await page.waitForURL("**/integrations");

  step("an ordered webhook that halts, a schedule, a workflow with branches");
  await save("/integrations/new", "tenant: acme\nname: Strict\ntrigger:\n  webhook: { methods: [POST], ordered: true }\non_failure: halt\n"
    + "steps:\n  - id: check\n    set: 'if .input.bad then error(\"the part is unknown: \" + .input.part) else .input end'\n");
  await save("/integrations/new", "tenant: acme\nname: Nightly\ndescription: Counts what is left\ntrigger:\n  schedule: { cron: '0 2 * * *', timezone: Europe/Stockholm }\n"
    + "steps:\n  - id: all\n    each:\n      in: '[range(3)]'\n      steps:\n        - id: one\n          set: '.item'\n  - id: which\n    switch:\n      cases:\n        - when: 'true'\n          steps:\n            - id: yes\n              set: '1'\n");
  await call("Strict", '{ "part": "P-1" }');
  await call("Strict", '{ "part": "P-9", "bad": true }');
  await call("Strict", '{ "part": "P-2" }');
  await go("/integrations/acme/Nightly");
  await checkPage(page, "schedule");
  await page.click("button:has-text('Run now')");
  await page.locator("#execution", { hasText: "succeeded" }).waitFor();
  await checkPage(page, "execution-run");
  await go("/integrations/acme/Nightly/edit");
  await page.locator("#editor-state", { hasText: "Valid" }).waitFor();
  await checkPage(page, "editor-schedule");

  step("the monitor, with a trigger that is halted");
  await go("/monitor");
  await page.locator("#halted-triggers").waitFor();
  has(await main(), "the part is unknown: P-9", "the error of the blocking execution");
  await checkPage(page, "monitor");
  await go("/integrations");
  has(await main(), "halted", "the list shows it");
  await checkPage(page, "integrations");
  await go("/monitor");
  await page.click("button:has-text('Skip')");
  await page.locator("dialog[open] [data-confirm-go]").click();
  await page.waitForFunction(() => !document.getElementById("halted-triggers"));

  step("a trigger that a person pauses and resumes");
  await go("/integrations/acme/Nightly");
  await page.fill("#pause-reason", "the ERP is in maintenance");
  await page.fill("#pause-for", "2h");
  await page.click("button:has-text('Pause')");
  await page.locator("#paused", { hasText: "the ERP is in maintenance" }).waitFor();
  await checkPage(page, "paused");
  await go("/integrations");
  await page.locator("main", { hasText: "paused" }).waitFor();
  await go("/monitor");
  await page.locator("#paused-triggers", { hasText: "acme/Nightly" }).waitFor();
  await checkPage(page, "monitor-paused");
  await go("/integrations/acme/Nightly");
  await page.click("#paused button:has-text('Resume')");
  await page.locator("#pause-reason").waitFor();

  step("the history, and a retry of all results of a search");
  await go("/executions?status=failed");
  await checkPage(page, "executions");
  await page.click("summary:has-text('Retry all matching executions')");
  await page.click("button:has-text('Count first')");
  await page.locator("#bulk", { hasText: "would be retried" }).waitFor();
  await checkPage(page, "executions-count");
  await page.click("button:has-text('Retry 1 execution')");
  await page.locator("dialog[open] [data-confirm-go]").click();
  await page.locator("#retrying", { hasText: "retried" }).waitFor();

  step("connections");
  await save("/connections/new", "tenant: acme\nconnection: erp\ndescription: The ERP system\nhttp:\n  url: http://127.0.0.1:9\n  authentication:\n    bearer: { token: very-secret-token }\n");
  has(await main(), "acme/erp", "the list");
  await page.click("button:has-text('Test')");
  await page.locator("[role=alert]", { hasText: "does not work" }).waitFor();
  await checkPage(page, "connections");
  await go("/connections/acme/erp");
  is((await page.content()).includes("very-secret-token"), false, "the page does not contain the secret");
  await checkPage(page, "connection");

  step("alerts");
  await save("/alerts/new", "tenant: acme\nalert: Stuck\ndescription: Something waits for a person\nwhen:\n  halted: {}\nsend:\n  webhook: { url: 'http://127.0.0.1:9/hook' }\n");
  await page.locator("tbody tr", { hasText: "acme/Stuck" }).waitFor();
  await checkPage(page, "alerts");
  await go("/alerts/acme/Stuck");
  await checkPage(page, "alert");

  step("users");
  await go("/users");
  const invite = "form[action='/users']";
  await page.fill(`${invite} [name=name]`, "vera");
  await page.fill(`${invite} [name=password]`, "only looking around");
  await page.fill(`${invite} [name=tenant]`, "acme");
  await page.click("button:has-text('Add user')");
  await page.locator("th", { hasText: "vera" }).waitFor();
  await checkPage(page, "users");
  await go("/tokens");
  await page.fill("[name=label]", "CI");
  await page.click("button:has-text('Create token')");
  has(await page.locator("#new-token").innerText(), "fbt_", "the token is shown once");
  await checkPage(page, "tokens");
  for (const [place, name] of [["/keys", "keys"], ["/audit", "audit"], ["/account", "account"]]) {
    await go(place);
    await checkPage(page, name);
  }
  is(faults.join("\n"), "", "faults of pages");
  await go("/integrations/acme/Nothing");
  has(await main(), "Not found", "the page of a missing integration");
  await checkPage(page, "not-found");

  step("a viewer can see but change nothing");
  await go("/integrations");
  await page.click("button:has-text('Sign out')");
  await page.fill("[name=name]", "vera");
  await page.fill("[name=password]", "only looking around");
  await page.click("button:has-text('Sign in')");
  await page.waitForURL("**/integrations");
  is(await page.locator("a:has-text('New integration')").count(), 0, "no button for an action that is not allowed");
  is(await page.locator("nav a[href='/users']").count(), 0, "no menu entry for a page that is not allowed");
  const refused = await page.evaluate(async () => (await fetch("/integrations/acme/Strict/disable", { method: "POST" })).status);
  is(refused, 403, "a direct request is refused");
  await go("/users");
  has(await main(), "Not allowed", "the page of users");
  await checkPage(page, "not-allowed");
  console.log("done");
} catch (error) {
  console.error(`at ${page.url()}`);
  console.error(await main().catch(() => ""));
  for (const fault of faults) console.error(fault);
  if (process.env.FOREBAY_SCREENSHOTS) await page.screenshot({ path: `${process.env.FOREBAY_SCREENSHOTS}/fault.png`, fullPage: true });
  throw error;
} finally {
  await browser.close();
}
