// What must never be lost besides what is typed: the reason for which a text was not saved, another's changes, a text whose session has
// ended, comments, and the one answer to a form that did something. Integrations acme/Shared, acme/Clash, acme/Draft, acme/One and acme/Two
// are there, as tests/suites/browser.rs makes them.
import { firstRun, has, is, launch, looked, NAME, PASSWORD } from "./browser.mjs";

const console_ = new URL(process.env.SETUP_URL).origin;
const step = (words) => console.log(`- ${words}`);
const browser = await launch();
const state = await firstRun(browser, process.env.SETUP_URL);
let page;

async function fresh() {
  const context = await browser.newContext({ storageState: state, viewport: { width: 1280, height: 860 }, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce" });
  context.setDefaultTimeout(60_000);
  return context.newPage();
}

const text = (of) => of.locator("textarea[name=source]").inputValue({ timeout: 1000 });
const main = (of) => of.locator("main").innerText();
const refused = (of) => of.locator("#refused").innerText();
const valid = (of) => of.locator("#editor-state", { hasText: "Valid, not saved" }).waitFor();
const save = (of) => of.click("button:has-text('Save')");

async function edit(of, name) {
  await of.goto(`${console_}/integrations/acme/${name}/edit`);
  await of.locator("#editor-state", { hasText: "Valid" }).waitFor();
}

// At the beginning or the end of the text.
async function write(of, key, words) {
  await of.locator(".cm-content").focus();
  await of.keyboard.press(key);
  await of.keyboard.type(words);
}

// Each page that answers a form is loaded again, as a person would do who is not sure.
async function reload(of) {
  const posted = [];
  of.on("request", (request) => request.method() === "POST" && posted.push(request.url()));
  await of.reload();
  is(posted.join(), "", "forms that were sent again by loading the page again");
  of.removeAllListeners("request");
}

try {
  step("a change of comments alone is saved and shown again");
  page = await fresh();
  await edit(page, "Shared");
  await write(page, "Control+Home", "# asked for by ACME\n");
  await save(page);
  await page.waitForURL("**/integrations/acme/Shared?*");
  has(await main(page), "Version 2 is the current one", "what was saved");
  await edit(page, "Shared");
  has(await text(page), "# asked for by ACME\n", "the comment");
  await save(page);
  await page.waitForURL("**/integrations/acme/Shared?*");
  has(await main(page), "No changes", "the same text again");

  step("two people change different lines: the refusal stays, and the merge has both");
  const [one, two] = [await fresh(), await fresh()];
  await edit(one, "Shared");
  await edit(two, "Shared");
  await write(one, "Control+End", "# by the first\n");
  await save(one);
  await one.waitForURL("**/integrations/acme/Shared?*");
  await two.locator("#trigger-form [name=description]").fill("By the second");
  await valid(two);
  await write(two, "Control+Home", "# also by the second\n");
  await save(two);
  await two.locator("#conflict").waitFor();
  has(await refused(two), "Could not save", "the refusal");
  has(await refused(two), "ada saved version 3", "who was first");
  has(await text(two), "# also by the second", "the text that was refused");
  await looked(two, "conflict");
  // Ten checks of the page change nothing of what the server said.
  for (let turn = 0; turn < 10; turn += 1) {
    const checked = two.waitForResponse("**/editor/check");
    await write(two, "Control+Home", "#");
    await checked;
  }
  await valid(two);
  has(await refused(two), "Could not save", "the refusal after the page has checked the text");
  await two.click("button:has-text('Use the merge')");
  await two.locator(".notice", { hasText: "It has your changes and those of version 3" }).waitFor();
  await valid(two);
  for (const part of ["# by the first", "# also by the second", "description: By the second", "# asked for by ACME"]) has(await text(two), part, "the merge");
  await save(two);
  await two.waitForURL("**/integrations/acme/Shared?*");
  has(await main(two), "Version 4 is the current one", "the merge is saved over theirs");

  step("two people change the same line: a person chooses, and the marks cannot be saved");
  await edit(one, "Clash");
  await edit(two, "Clash");
  await one.locator("#trigger-form [name=description]").fill("What one says");
  await valid(one);
  await save(one);
  await one.waitForURL("**/integrations/acme/Clash?*");
  await two.locator("#trigger-form [name=description]").fill("What two says");
  await save(two);
  await two.locator("#conflict").waitFor();
  has(await refused(two), "one place", "where both changed the same");
  await two.click("button:has-text('Use the merge')");
  await two.locator(".notice", { hasText: "It has your changes and those of version 2" }).waitFor();
  has(await text(two), "<<<<<<<", "the marks");
  await save(two);
  await two.locator("#refused", { hasText: "mark of the merge" }).waitFor();
  await two.evaluate(() => {
    const box = document.querySelector("textarea[name=source]");
    box.value = box.value.replace(/<<<<<<<[^\n]*\n([^]*?)(\|{7}[^]*?)?=======\n[^]*?>>>>>>>[^\n]*\n/, "$1");
    box.dispatchEvent(new Event("replaced"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await valid(two);
  await save(two);
  await two.waitForURL("**/integrations/acme/Clash?*");
  await edit(two, "Clash");
  has(await text(two), "description: What two says", "the choice");

  step("a new integration whose name is taken is refused, and says so until it is saved");
  await two.goto(`${console_}/integrations/new`);
  await two.locator("#editor-state", { hasText: "Valid" }).waitFor();
  await two.evaluate(() => {
    const box = document.querySelector("textarea[name=source]");
    box.value = "tenant: acme\nname: Shared\ntrigger:\n  webhook: {}\n";
    box.dispatchEvent(new Event("replaced"));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  await valid(two);
  await save(two);
  await two.locator("#refused", { hasText: "saved an integration acme/Shared" }).waitFor();
  await valid(two);
  has(await refused(two), "Could not save", "the refusal after a check");

  step("what is typed before the page's script has come is a change, and is kept");
  for (const [field, words] of [["textarea[name=source]", "# typed early in the text\n"], ["#trigger-form [name=description]", "Typed early in the form"]]) {
    const early = await fresh();
    let come;
    const held = new Promise((resolve) => { come = resolve; });
    await early.route("**/editor.js", async (route) => { await held; await route.continue(); });
    await early.route("**/definition.json*", () => {});
    await early.goto(`${console_}/integrations/acme/One/edit`, { waitUntil: "commit" });
    await early.fill(field, await early.inputValue(field) + words);
    come();
    await valid(early);
    has(await text(early), words, "what was typed early");
    await early.context().close();
  }

  step("a field's change that comes into the text under the caret leaves the caret in its line");
  const both = await fresh();
  await edit(both, "Two");
  await both.locator("#trigger-form [name=attempts]").fill("4");
  await both.locator(".cm-content").focus();
  await both.keyboard.press("Control+End");
  await both.keyboard.press("ArrowUp");
  await both.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("attempts: 4\nsteps:"));
  await both.keyboard.type("# typed after it\n");
  await valid(both);
  has(await text(both), "attempts: 4\n# typed after it\nsteps:", "the line of the caret");
  await both.context().close();

  step("a session that ends in mid-edit loses nothing: the draft is offered back after signing in");
  page = await fresh();
  await edit(page, "Draft");
  await write(page, "Control+End", "# before the session ended\n");
  await valid(page);
  await page.context().clearCookies();
  await write(page, "Control+End", "# after it ended\n");
  await page.locator("#trigger-form [name=description]").fill("Typed after it ended");
  await page.locator("#editor-state", { hasText: "you are signed out" }).waitFor();
  await save(page);
  await page.locator("#editor-state", { hasText: "Not saved: you are signed out" }).waitFor();
  has(await text(page), "# after it ended", "the text is still on the page");
  await looked(page, "signed-out");
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(`${console_}/integrations/acme/Draft/edit`);
  await page.waitForURL("**/sign-in?*");
  await page.fill("[name=name]", NAME);
  await page.fill("[name=password]", PASSWORD);
  await page.click("button:has-text('Sign in')");
  await page.waitForURL("**/integrations/acme/Draft/edit");
  await page.locator("#drafts", { hasText: "A draft was not saved" }).waitFor();
  is((await text(page)).includes("# after it ended"), false, "a draft is offered, not put in");
  await looked(page, "draft");
  await page.click("button:has-text('Restore draft')");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("description: Typed after it ended"));
  for (const part of ["# before the session ended", "# after it ended"]) has(await text(page), part, "the draft");
  is(await page.inputValue("#trigger-form [name=description]"), "Typed after it ended", "the form of the draft");
  await save(page);
  await page.waitForURL("**/integrations/acme/Draft?*");
  await edit(page, "Draft");
  is(await page.locator("#drafts .notice").count(), 0, "drafts after saving");
  has(await text(page), "# after it ended", "what was saved");

  step("a draft of an older version is never put over a newer one: saving it shows both");
  await write(page, "Control+Home", "# an old draft\n");
  await valid(page);
  await page.goto(`${console_}/integrations`);
  await edit(one, "Draft");
  await write(one, "Control+End", "# newer\n");
  await save(one);
  await one.waitForURL("**/integrations/acme/Draft?*");
  await edit(page, "Draft");
  has(await page.locator("#drafts").innerText(), "written on version 2; the current one is 3", "the offer");
  await page.click("button:has-text('Restore draft')");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("# an old draft"));
  await save(page);
  await page.locator("#conflict").waitFor();
  has(await page.locator("#conflict").innerText(), "# newer", "theirs");
  await page.goto(`${console_}/integrations/acme/Draft/edit`);
  await page.locator("#drafts .notice").first().waitFor();
  while (await page.locator("#drafts .notice").count()) await page.locator("button:has-text('Discard draft')").first().click();

  step("the page of a new key can be loaded again: there is one key, and it is shown once");
  page = await fresh();
  const key = "a-key-of-partner-p-0123456789";
  await page.goto(`${console_}/integrations/acme/One`);
  await page.fill("#key-label", "Partner P");
  await page.fill("#key-value", key);
  await page.click("button:has-text('Create key')");
  is((await page.locator("#new-key").innerText()).trim(), key, "the key is shown");
  has(await main(page), "Key created", "the page says so");
  is(page.url().includes(key), false, "the address has nothing of it");
  await looked(page, "key-created");
  await reload(page);
  is((await page.content()).includes(key), false, "the key is shown once");
  await page.goto(`${console_}/keys`);
  is(await page.locator("tbody tr").count(), 1, "keys after loading the page again");

  step("the key of another webhook is granted, not refused");
  await page.goto(`${console_}/integrations/acme/Two`);
  await page.fill("#key-label", "Partner P again");
  await page.fill("#key-value", key);
  await page.click("button:has-text('Create key')");
  has(await main(page), "This key is already 'Partner P'. Grant it this integration too?", "the offer");
  await looked(page, "key-known");
  await page.click("main .notice button:has-text('Grant')");
  await page.waitForURL("**/integrations/acme/Two?shown=*");
  has(await main(page), "'Partner P' may call One, Two", "the integrations that it may call");
  await reload(page);
  await page.click("button:has-text('Revoke here')");
  await page.locator("dialog[open] [data-confirm-go]").click();
  await page.locator(".notice", { hasText: "'Partner P' may call One," }).waitFor();
  await page.selectOption("#known-key-acme", { label: "Partner P" });
  await looked(page, "key-picker");
  await page.click("button:has-text('Grant')");
  await page.locator(".notice", { hasText: "'Partner P' may call One, Two" }).waitFor();
  await page.goto(`${console_}/keys`);
  is(await page.locator("tbody tr").count(), 1, "keys in all");
  await looked(page, "keys-granted");

  step("a key is set to read the outcomes of all calls");
  is(await page.locator("tbody").getByText("all outcomes").count(), 0, "a new key reads those of its own calls");
  await page.click("tbody summary:has-text('Edit')");
  await page.check("tbody input[name=allOutcomes]");
  await page.click("tbody button:has-text('Save')");
  await page.locator("tbody").getByText("all outcomes").waitFor();
  await page.click("tbody summary:has-text('Edit')");
  is(await page.isChecked("tbody input[name=allOutcomes]"), true, "the form starts from the stored value");
  await looked(page, "key-reads-all-outcomes");

  step("what a refused form was sent is still in it");
  await page.goto(`${console_}/integrations/acme/One`);
  await page.fill("#key-label", "Another");
  await page.fill("#key-expires", "soon");
  await page.click("button:has-text('Create key')");
  has(await main(page), "Key not created", "the refusal");
  is(await page.inputValue("#key-label"), "Another", "the label");
  is(await page.inputValue("#key-expires"), "soon", "the end");

  step("a call that was tried, a token, and a test of a connection are not repeated either");
  await page.goto(`${console_}/integrations/acme/One/try`);
  await page.click("button:has-text('Send')");
  await page.locator("#result", { hasText: "202" }).waitFor();
  await page.click("a:has-text('Open the execution')");
  await page.locator("#execution", { hasText: "succeeded" }).waitFor();
  await page.goBack();
  await reload(page);
  await page.goto(`${console_}/executions`);
  is(await page.locator("tbody tr").count(), 1, "executions after loading the page again");
  await page.goto(`${console_}/tokens`);
  await page.fill("[name=label]", "CI");
  await page.click("button:has-text('Create token')");
  has(await page.locator("#new-token").innerText(), "fbt_", "the token is shown");
  await reload(page);
  is(await page.locator("#new-token").count(), 0, "the token is shown once");
  is(await page.locator("tbody tr").count(), 1, "tokens after loading the page again");
  await page.goto(`${console_}/account`);
  await page.fill("[name=old]", PASSWORD);
  await page.fill("[name=password]", PASSWORD + " 2");
  await page.click("button:has-text('Change')");
  has(await main(page), "The password is changed", "the account");
  await reload(page);
  console.log("done");
} catch (error) {
  for (const open of browser.contexts().flatMap((context) => context.pages())) {
    const shown = await open.locator("#editor-state, #refused, .notice").allInnerTexts().catch(() => []);
    console.error(`at ${open.url()}: ${shown.join(" | ")}\n${await text(open).catch(() => "")}`);
  }
  throw error;
} finally {
  await browser.close();
}
