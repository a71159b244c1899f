// Types into every field of the editor's form and into its text, at several speeds and with fast and slow checks. The field, the text and
// the stored version must have the typed value.
//
// FORM: "webhook" for integrations acme/Typed_PACE_DELAY, acme/Checked and acme/Both; "schedule" for acme/Timed_PACE_DELAY and
// acme/Clocked_PACE_DELAY. PACES: milliseconds between two keys, such as "60,110". DELAYS: milliseconds before a check is sent on.
// tests/suites/browser.rs creates the integrations.
import { firstRun, has, is, launch } from "./browser.mjs";

const console_ = new URL(process.env.SETUP_URL).origin;
const [PACES, DELAYS] = [process.env.PACES, process.env.DELAYS].map((list) => list.split(",").map(Number));
const IS_WEBHOOK = process.env.FORM === "webhook";
// Maximum parallel runs. The slow runs start first.
const MAX_PARALLEL = 8;

// Name of the field, typed value, expected part of the text.
const WEBHOOK = [
  ["description", "TheCompany", "description: TheCompany"],
  ["order_by", ".body.u", "by: .body.u"],
  ["order_keys", "12", "concurrency: 12"],
  ["wait", "45s", "wait: 45s"],
  ["rate_calls", "25", "calls: 25"],
  ["rate_per", "90s", "per: 90s"],
  ["parameter_name_0", "customer", "customer:"],
  ["parameter_default_0", "A & B", "default: A & B"],
  ["parameter_name_1", "site", "site:"],
  ["parameter_default_1", "nord", "default: nord"],
  ["idempotency_key", ".body.n", "key: .body.n"],
  ["input", "{ a }", "{ a }"],
  ["keep", "21d", "keep: 21d"],
  ["attempts", "4", "attempts: 4"],
];
const INTERVAL = [
  ["every", "25m", "every: 25m"],
  ["starting", "2027-01-02T03:00:00Z", "2027-01-02T03:00:00Z"],
  ["schedule_input", '"a7"', "input: a7"],
];
const CLOCK = [
  ["cron", "5 4 * * 1", "cron: 5 4 * * 1"],
  ["timezone", "Asia/Tokyo", "timezone: Asia/Tokyo"],
];

async function open(browser, state, delay) {
  const context = await browser.newContext({ storageState: state, viewport: { width: 1280, height: 860 } });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => { throw error; });
  if (delay > 0) {
    await page.route("**/editor/check", async (route) => {
      await new Promise((done) => setTimeout(done, delay));
      await route.continue().catch(() => {});
    });
  }
  return { context, page };
}

const textOf = (page) => page.locator("textarea[name=source]").inputValue();

// Types into all fields without a pause between them, and then clicks Save.
async function typeAll(browser, state, path, fields, pace, delay) {
  const what = `${path} at ${pace} ms a key, checks ${delay} ms late`;
  const { context, page } = await open(browser, state, delay);
  await page.goto(`${console_}/integrations/${path}/edit`);
  await page.locator("#editor-state", { hasText: "Valid" }).waitFor();
  for (const [name, text] of fields) {
    const field = page.locator(`#trigger-form [name=${name}]`);
    await field.focus();
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text, { delay: pace });
    is(await field.inputValue(), text, `${what}: the field ${name} while it has focus`);
  }
  // Right after the form: a comment at the end of the text.
  const comment = `# ${delay}`;
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type(comment, { delay: pace });
  has(await textOf(page), comment, `${what}: the text while it has focus`);
  await page.click("button:has-text('Save')");
  await page.waitForURL((url) => url.pathname === `/integrations/${path}`).catch(async (error) => {
    throw new Error(`${what}: not saved: ${await page.locator("main").innerText()}\n${await textOf(page)}`, { cause: error });
  });
  has(await page.locator("main").innerText(), "Version 2 is the current one", what);
  await page.goto(`${console_}/integrations/${path}/edit`);
  const stored = await textOf(page);
  for (const [name, text, line] of fields) {
    has(stored, line, `${what}: ${name} in the stored text`);
    is(await page.locator(`#trigger-form [name=${name}]`).inputValue(), text, `${what}: the field ${name} of the stored version`);
  }
  has(stored, comment, `${what}: the comment in the stored text`);
  has(stored, "# stays", `${what}: the earlier comment`);
  await context.close();
}

// Waits for a check after each letter. The page redraws the form, but the field's value and the caret must stay.
async function typeWhileChecked(browser, state, path) {
  const { context, page } = await open(browser, state, 0);
  await page.goto(`${console_}/integrations/${path}/edit`);
  await page.locator("#editor-state", { hasText: "Valid" }).waitFor();
  const field = page.locator("#trigger-form [name=parameter_default_0]");
  await field.focus();
  await page.keyboard.press("Control+A");
  for (const letter of "TheCompany") {
    const checked = page.waitForResponse("**/editor/check");
    await page.keyboard.type(letter);
    await checked;
  }
  is(await field.inputValue(), "TheCompany", "a letter after each check");
  await page.keyboard.press("Home");
  await page.keyboard.type("All of ");
  is(await field.inputValue(), "All of TheCompany", "the caret stays at its position");
  // The page redraws other parts of the form while the field has the focus: the field stays the same element.
  await page.evaluate(() => (document.activeElement.dataset.mark = "same"));
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("All of TheCompany"));
  is(await page.evaluate(() => document.activeElement.dataset.mark), "same", "the field is the same element after the redraw");
  await context.close();
}

// Changes the form and the text alternately, faster than the checks: neither change may undo the other.
async function typeInBoth(browser, state, path) {
  const { context, page } = await open(browser, state, 500);
  await page.goto(`${console_}/integrations/${path}/edit`);
  await page.locator("#editor-state", { hasText: "Valid" }).waitFor();
  await page.locator("#trigger-form [name=description]").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("From the form", { delay: 40 });
  await page.locator(".cm-content").focus();
  await page.keyboard.press("Control+End");
  await page.keyboard.type("label: '{ n: 1 }'\n", { delay: 40 });
  await page.locator("#trigger-form [name=attempts]").focus();
  await page.keyboard.press("Control+A");
  await page.keyboard.type("9", { delay: 40 });
  await page.waitForFunction(() => {
    const text = document.querySelector("textarea[name=source]").value;
    return text.includes("description: From the form") && text.includes("label: '{ n: 1 }'") && text.includes("attempts: 9");
  });
  await page.locator("#editor-state", { hasText: "Valid, not saved" }).waitFor();
  is(await page.inputValue("#trigger-form [name=description]"), "From the form", "the form after both");
  await context.close();
}

const browser = await launch();
try {
  const state = await firstRun(browser, process.env.SETUP_URL);
  const runs = [];
  for (const pace of PACES.toReversed()) {
    for (const delay of DELAYS) {
      const of = `${pace}_${delay}`;
      if (IS_WEBHOOK) {
        runs.push(() => typeAll(browser, state, `acme/Typed_${of}`, WEBHOOK, pace, delay));
      } else {
        runs.push(() => typeAll(browser, state, `acme/Timed_${of}`, INTERVAL, pace, delay));
        runs.push(() => typeAll(browser, state, `acme/Clocked_${of}`, CLOCK, pace, delay));
      }
    }
  }
  if (IS_WEBHOOK) runs.push(() => typeWhileChecked(browser, state, "acme/Checked"), () => typeInBoth(browser, state, "acme/Both"));
  const failed = [];
  const left = [...runs];
  const work = async () => {
    for (let run = left.shift(); run; run = left.shift()) await run().catch((error) => failed.push(error));
  };
  await Promise.all(Array.from({ length: MAX_PARALLEL }, work));
  for (const error of failed) console.error(error);
  is(failed.length, 0, `failed runs of ${runs.length}`);
  console.log(`done: ${runs.length} runs`);
} finally {
  await browser.close();
}
