// A user's first session: first run, sign in, a new integration, a key, a call, a failure, its fix, a retry, and a rollback. SETUP_URL is the
// address in the console's log for the first administrator.
import { has, is, checkPage, open } from "./browser.mjs";

const setup = new URL(process.env.SETUP_URL);
const console_ = setup.origin;
const { browser, page, faults } = await open();
const name = "Reading of " + "meters";
const password = "correct horse battery";
const step = (words) => console.log(`- ${words}`);
const main = () => page.locator("main").innerText();
const go = (place) => page.goto(console_ + place);
const editorText = () => page.locator("textarea[name=source]").inputValue();
const state = async (words) => page.locator("#editor-state", { hasText: words }).waitFor();

try {
  step("the first run");
  await go("/");
  is(new URL(page.url()).pathname, "/setup", "the setup page, because no user exists");
  await page.fill("[name=code]", "another-code");
  await page.fill("[name=name]", "ada");
  await page.fill("[name=password]", password);
  await page.click("button:has-text('Create administrator')");
  has(await main(), "The setup code is wrong", "a wrong code is refused");
  faults.length = 0; // The browser logs a 403 as an error.
  await page.goto(setup.href);
  await checkPage(page, "setup");
  await page.fill("[name=name]", "ada");
  await page.fill("[name=full_name]", "Ada Lovelace");
  await page.fill("[name=password]", password);
  await page.click("button:has-text('Create administrator')");
  await page.waitForURL("**/integrations");
  await checkPage(page, "integrations-empty");

  step("sign out, and sign in again");
  await page.click("button:has-text('Sign out')");
  await page.waitForURL("**/sign-in");
  await checkPage(page, "sign-in");
  await page.fill("[name=name]", "Ada");
  await page.fill("[name=password]", "wrong wrong wrong");
  await page.click("button:has-text('Sign in')");
  has(await main(), "The name or the password is wrong", "a wrong password");
  faults.length = 0;
  await page.fill("[name=password]", password);
  await page.click("button:has-text('Sign in')");
  await page.waitForURL("**/integrations");

  step("a webhook: ordered, request-response, two query parameters");
  await page.click("a:has-text('New integration')");
  await state("Valid");
  await checkPage(page, "editor-new");
  const source = "tenant: acme\nname: MeterReading\ndescription: " + name + "\nlabel: '{ meter: .input.meter }'\ntrigger:\n  webhook:\n    methods: [POST]\n"
    + "diagnostics: { input: true, output: true, steps: true }\ninput: '{ meter: .body.meter, text: .body.value, site: .query.site }'\n"
    + "steps:\n  - id: note\n    set: '{ meter: .input.meter, site: .input.site }'\n  - id: number\n    set: '{ value: (.input.text | tonumber) }'\n";
  await page.evaluate((text) => {
    const box = document.querySelector("textarea[name=source]");
    box.value = text;
    box.dispatchEvent(new Event("replaced"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }, source);
  await page.locator("#trigger-form input[name=description]").filter({ hasNot: page.locator("x") }).waitFor();
  await page.waitForFunction(() => document.querySelector("#trigger-form [name=description]")?.value.startsWith("Reading"));
  await page.check("#trigger-form [name=delivery][value=serial]");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("ordered: true"));
  await page.check("#trigger-form [name=waits]");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("response:"));
  await page.fill("#trigger-form [name=parameter_name_0]", "site");
  await page.check("#trigger-form [name=parameter_required_0]");
  await page.waitForFunction(() => /site:\s*(\n\s+|\{ ?)required: true/.test(document.querySelector("textarea[name=source]").value));
  await page.fill("#trigger-form [name=parameter_name_1]", "tariff");
  await page.selectOption("#trigger-form [name=parameter_type_1]", "integer");
  await page.fill("#trigger-form [name=parameter_default_1]", "1");
  await page.locator("#trigger-form [name=parameter_default_1]").blur();
  await page.waitForFunction(() => /tariff:/.test(document.querySelector("textarea[name=source]").value));
  await state("Valid");
  has(await editorText(), "label: '{ meter: .input.meter }'", "fields that the form does not have stay unchanged");
  await page.click("button:has-text('Save')");
  await page.waitForURL("**/integrations/acme/MeterReading?saved=*");
  has(await main(), "Ordered: one after the other", "the page of the integration");
  has(await main(), "site: string, required", "its query parameters");

  step("a key, generated, shown once");
  await page.fill("#key-label", "Meter gateway");
  await page.click("button:has-text('Generate')");
  const typed = await page.inputValue("#key-value");
  is(typed.length > 30, true, "a key was generated");
  await page.click("button:has-text('Create key')");
  is((await page.locator("#new-key").innerText()).trim(), typed, "the key is shown once");
  await checkPage(page, "integration-key");
  await go("/integrations/acme/MeterReading");
  is((await page.content()).includes(typed), false, "the key is not shown again");

  step("try it");
  await page.click("nav.tabs a:has-text('Try it')");
  is(await page.inputValue("[name=query]"), "site=text", "the required parameters are filled in");
  await page.fill("[name=query]", "site=north");
  await page.fill("[name=body]", '{ "meter": "M-1", "value": "12" }');
  await page.click("button:has-text('Send')");
  await page.locator("#result", { hasText: "Response" }).waitFor();
  has(await page.locator("#result").innerText(), "200", "the response");
  has(await page.locator("#curl").innerText(), "X-API-Key: KEY", "the curl command does not contain the key");
  await checkPage(page, "try-it");
  await page.click("a:has-text('Open the execution')");
  await page.locator("#execution", { hasText: "succeeded" }).waitFor();
  has(await main(), "M-1", "the body of the call");
  await checkPage(page, "execution-succeeded");

  step("a call that fails, and its execution");
  await go("/integrations/acme/MeterReading/try");
  await page.fill("[name=query]", "site=north");
  await page.fill("[name=body]", '{ "meter": "M-2", "value": "12 kWh" }');
  await page.click("button:has-text('Send')");
  await page.locator("#result", { hasText: "500" }).waitFor();
  await page.click("a:has-text('Open the execution')");
  await page.locator("#execution", { hasText: "Failed: mapping" }).waitFor();
  const failed = page.url();
  has(await main(), "number", "the failed step");
  await checkPage(page, "execution-failed");

  step("fix the mapping with the call as the example");
  await page.click("a:has-text('Edit with this call as the example')");
  await page.locator("#trial", { hasText: "Error in" }).waitFor();
  has(await page.inputValue("[name=example_body]"), "12 kWh", "the call is the example");
  await checkPage(page, "editor-fault");
  await page.evaluate(() => {
    const box = document.querySelector("textarea[name=source]");
    box.value = box.value.replace("(.input.text | tonumber)", '(.input.text | split(" ")[0] | tonumber)');
    box.dispatchEvent(new Event("replaced"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await page.waitForFunction(() => !document.getElementById("trial").textContent.includes("Error in"));
  has(await page.locator("#trial").innerText(), "12", "the example gives the number");
  await checkPage(page, "editor-fixed");
  await page.click("button:has-text('Save')");
  await page.waitForURL("**/integrations/acme/MeterReading?saved=*");

  step("retry from the failed step with the latest version: the execution succeeds");
  await page.goto(failed);
  await page.check("[name=from][value=failed]");
  await page.check("[name=version][value=latest]");
  await page.click("button:has-text('Retry')");
  await page.locator("#execution .facts", { hasText: "succeeded" }).waitFor();
  has(await main(), "Attempts", "the facts");

  step("roll back");
  await page.goto(console_ + "/integrations/acme/MeterReading/versions");
  await page.click("a:has-text('Show changes')");
  has(await page.locator("#difference").innerText(), "split", "the difference");
  await checkPage(page, "versions");
  await page.click("button:has-text('Roll back')");
  await page.locator("dialog[open] [data-confirm-go]").click();
  await page.locator("th", { hasText: "3" }).waitFor();
  has(await page.locator("tbody tr").first().innerText(), "current", "the newest is the current one");

  step("the history is searched by the label");
  await go("/executions");
  await page.fill("[name=search]", "meter=M-2");
  await page.click("button:has-text('Search')");
  await page.waitForURL("**search=meter*");
  is(await page.locator("tbody tr").count(), 1, "one execution has the label");

  step("no page had a fault");
  is(faults.join("\n"), "", "faults of pages");
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
