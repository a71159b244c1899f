// Checks that the editor does not lose the reason of a failed save, the changes of another user, the text of an ended session, comments, or
// the result of a form. tests/suites/browser.rs creates the integrations acme/Shared, acme/Clash, acme/Draft, acme/One and acme/Two.
import { firstRun, has, is, launch, checkPage, NAME, PASSWORD } from "./browser.mjs";

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

// Types after a key that moves the caret, such as Control+End.
async function write(of, key, words) {
  await of.locator(".cm-content").focus();
  await of.keyboard.press(key);
  await of.keyboard.type(words);
}

// Reloads the page after a form. The browser must not send the form again.
async function reload(of) {
  const posted = [];
  of.on("request", (request) => request.method() === "POST" && posted.push(request.url()));
  await of.reload();
  is(posted.join(), "", "forms that the reload sent again");
  of.removeAllListeners("request");
}

try {
  step("a change of comments alone is saved and shown again");
  page = await fresh();
  await edit(page, "Shared");
  await write(page, "Control+Home", "# asked for by ACME\n");
  await save(page);
  await page.waitForURL("**/integrations/acme/Shared?*");
  has(await main(page), "Version 2 is the current one", "the saved version");
  await edit(page, "Shared");
  has(await text(page), "# asked for by ACME\n", "the comment");
  await save(page);
  await page.waitForURL("**/integrations/acme/Shared?*");
  has(await main(page), "No changes", "the same text again");

  step("two users change different lines: the refusal stays, and the merge has both changes");
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
  has(await refused(two), "ada saved version 3", "the user who saved first");
  has(await text(two), "# also by the second", "the refused text");
  await checkPage(two, "conflict");
  // Ten checks do not change the reasons of the failed save.
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

  step("two users change the same line: the user resolves the conflict, and the marks cannot be saved");
  await edit(one, "Clash");
  await edit(two, "Clash");
  await one.locator("#trigger-form [name=description]").fill("From the first");
  await valid(one);
  await save(one);
  await one.waitForURL("**/integrations/acme/Clash?*");
  await two.locator("#trigger-form [name=description]").fill("From the second");
  await save(two);
  await two.locator("#conflict").waitFor();
  has(await refused(two), "one place", "the number of conflicts");
  await two.click("button:has-text('Use the merge')");
  await two.locator(".notice", { hasText: "It has your changes and those of version 2" }).waitFor();
  has(await text(two), "<<<<<<<", "the marks");
  await save(two);
  await two.locator("#refused", { hasText: "marks a conflict of the merge" }).waitFor();
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
  has(await text(two), "description: From the second", "the resolved line");

  step("a new integration with a taken name is refused, and the reason stays on the page until it is saved");
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

  step("text that is typed before the page's script is loaded is a change and is not lost");
  for (const [field, words] of [["textarea[name=source]", "# typed early in the text\n"], ["#trigger-form [name=description]", "Typed early in the form"]]) {
    const early = await fresh();
    let release;
    const released = new Promise((resolve) => { release = resolve; });
    await early.route("**/editor.js", async (route) => { await released; await route.continue(); });
    await early.route("**/definition.json*", () => {});
    await early.goto(`${console_}/integrations/acme/One/edit`, { waitUntil: "commit" });
    await early.fill(field, await early.inputValue(field) + words);
    release();
    await valid(early);
    has(await text(early), words, "the early text");
    await early.context().close();
  }

  step("a change of a field, written into the text below the caret, leaves the caret in its line");
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

  step("no text is lost when the session ends during editing: the page offers the draft after signing in");
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
  await checkPage(page, "signed-out");
  page.on("dialog", (dialog) => dialog.accept());
  await page.goto(`${console_}/integrations/acme/Draft/edit`);
  await page.waitForURL("**/sign-in?*");
  await page.fill("[name=name]", NAME);
  await page.fill("[name=password]", PASSWORD);
  await page.click("button:has-text('Sign in')");
  await page.waitForURL("**/integrations/acme/Draft/edit");
  await page.locator("#drafts", { hasText: "Unsaved draft" }).waitFor();
  is((await text(page)).includes("# after it ended"), false, "the page offers the draft and does not restore it by itself");
  await checkPage(page, "draft");
  await page.click("button:has-text('Restore draft')");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("description: Typed after it ended"));
  for (const part of ["# before the session ended", "# after it ended"]) has(await text(page), part, "the draft");
  is(await page.inputValue("#trigger-form [name=description]"), "Typed after it ended", "the form of the draft");
  await save(page);
  await page.waitForURL("**/integrations/acme/Draft?*");
  await edit(page, "Draft");
  is(await page.locator("#drafts .notice").count(), 0, "drafts after saving");
  has(await text(page), "# after it ended", "the saved text");

  step("a draft of an older version does not overwrite a newer version: saving it shows the conflict");
  await write(page, "Control+Home", "# an old draft\n");
  await valid(page);
  await page.goto(`${console_}/integrations`);
  await edit(one, "Draft");
  await write(one, "Control+End", "# newer\n");
  await save(one);
  await one.waitForURL("**/integrations/acme/Draft?*");
  await edit(page, "Draft");
  has(await page.locator("#drafts").innerText(), "It is based on version 2; the current version is 3.", "the offer");
  await page.click("button:has-text('Restore draft')");
  await page.waitForFunction(() => document.querySelector("textarea[name=source]").value.includes("# an old draft"));
  await save(page);
  await page.locator("#conflict").waitFor();
  has(await page.locator("#conflict").innerText(), "# newer", "theirs");
  await page.goto(`${console_}/integrations/acme/Draft/edit`);
  await page.locator("#drafts .notice").first().waitFor();
  while (await page.locator("#drafts .notice").count()) await page.locator("button:has-text('Discard draft')").first().click();

  step("a reload of the page of a new key creates no second key and does not show the key again");
  page = await fresh();
  const key = "a-key-of-partner-p-0123456789";
  await page.goto(`${console_}/integrations/acme/One`);
  await page.fill("#key-label", "Partner P");
  await page.fill("#key-value", key);
  await page.click("button:has-text('Create key')");
  is((await page.locator("#new-key").innerText()).trim(), key, "the key is shown");
  has(await main(page), "Key created", "the notice");
  is(page.url().includes(key), false, "the address does not contain the key");
  await checkPage(page, "key-created");
  await reload(page);
  is((await page.content()).includes(key), false, "the key is shown once");
  await page.goto(`${console_}/keys`);
  is(await page.locator("tbody tr").count(), 1, "keys after the reload");

  step("the key of another webhook is granted, not refused");
  await page.goto(`${console_}/integrations/acme/Two`);
  await page.fill("#key-label", "Partner P again");
  await page.fill("#key-value", key);
  await page.click("button:has-text('Create key')");
  has(await main(page), "The key 'Partner P' has this value. Grant it this integration too?", "the offer");
  await checkPage(page, "key-exists");
  await page.click("main .notice button:has-text('Grant')");
  await page.waitForURL("**/integrations/acme/Two?shown=*");
  has(await main(page), "'Partner P' may call One, Two", "the integrations that it may call");
  await reload(page);
  await page.click("button:has-text('Revoke here')");
  await page.locator("dialog[open] [data-confirm-go]").click();
  await page.locator(".notice", { hasText: "'Partner P' may call One. The" }).waitFor();
  await page.selectOption("#existing-key-acme", { label: "Partner P" });
  await checkPage(page, "key-picker");
  await page.click("button:has-text('Grant')");
  await page.locator(".notice", { hasText: "'Partner P' may call One, Two" }).waitFor();
  await page.goto(`${console_}/keys`);
  is(await page.locator("tbody tr").count(), 1, "total keys");
  await checkPage(page, "keys-granted");

  step("a key is changed to read the outcomes of all calls");
  is(await page.locator("tbody").getByText("all outcomes").count(), 0, "a new key reads only the outcomes of its own calls");
  await page.click("tbody summary:has-text('Edit')");
  await page.check("tbody input[name=allOutcomes]");
  await page.click("tbody button:has-text('Save')");
  await page.locator("tbody").getByText("all outcomes").waitFor();
  await page.click("tbody summary:has-text('Edit')");
  is(await page.isChecked("tbody input[name=allOutcomes]"), true, "the form starts from the stored value");
  await checkPage(page, "key-reads-all-outcomes");

  step("a refused form still has the sent values");
  await page.goto(`${console_}/integrations/acme/One`);
  await page.fill("#key-label", "Another");
  await page.fill("#key-expires", "soon");
  await page.click("button:has-text('Create key')");
  has(await main(page), "Key not created", "the refusal");
  is(await page.inputValue("#key-label"), "Another", "the label");
  is(await page.inputValue("#key-expires"), "soon", "the expiry");

  step("a reload does not repeat a test call, the creation of a token, or the change of a password");
  await page.goto(`${console_}/integrations/acme/One/try`);
  await page.click("button:has-text('Send')");
  await page.locator("#result", { hasText: "202" }).waitFor();
  await page.click("a:has-text('Open the execution')");
  await page.locator("#execution", { hasText: "succeeded" }).waitFor();
  await page.goBack();
  await reload(page);
  await page.goto(`${console_}/executions`);
  is(await page.locator("tbody tr").count(), 1, "executions after the reload");
  await page.goto(`${console_}/tokens`);
  await page.fill("[name=label]", "CI");
  await page.click("button:has-text('Create token')");
  has(await page.locator("#new-token").innerText(), "fbt_", "the token is shown");
  await reload(page);
  is(await page.locator("#new-token").count(), 0, "the token is shown once");
  is(await page.locator("tbody tr").count(), 1, "tokens after the reload");
  await page.goto(`${console_}/account`);
  await page.fill("[name=old]", PASSWORD);
  await page.fill("[name=password]", PASSWORD + " 2");
  await page.click("button:has-text('Change')");
  has(await main(page), "Password changed", "the account");
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
