// Starts a browser. Has the checks that the other scripts share.
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { chromium } from "playwright-core";

const require = createRequire(import.meta.url);
const axeSource = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");

// The folder for screenshots; empty: no screenshots.
const pictures = process.env.FOREBAY_SCREENSHOTS ?? "";
const LOOKS = [
  { name: "light", viewport: { width: 1280, height: 860 }, colorScheme: "light" },
  { name: "dark", viewport: { width: 1280, height: 860 }, colorScheme: "dark" },
  { name: "phone", viewport: { width: 390, height: 844 }, colorScheme: "light" },
];

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

export const NAME = "ada";
export const PASSWORD = "correct horse battery";

// Creates the first administrator. Returns the signed-in state of the browser for new contexts.
export async function firstRun(browser, setup) {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(setup);
  await page.fill("[name=name]", NAME);
  await page.fill("[name=full_name]", "Ada Lovelace");
  await page.fill("[name=password]", PASSWORD);
  await page.click("button:has-text('Create administrator')");
  await page.waitForURL("**/integrations");
  const state = await context.storageState();
  await context.close();
  return state;
}

export async function open() {
  const browser = await launch();
  const context = await browser.newContext({ viewport: LOOKS[0].viewport, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce" });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  // Violations of the page's security policy, errors of its script, and requests for missing files.
  const faults = [];
  page.on("console", (message) => message.type() === "error" && faults.push(`${page.url()}: ${message.text()}`));
  page.on("pageerror", (error) => faults.push(`${page.url()}: ${error.message}`));
  return { browser, page, faults };
}

// Runs axe-core. The debugger inserts it, so the page's security policy does not apply to it.
export async function checkAccessibility(page, name) {
  await page.evaluate(axeSource);
  const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  const bad = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  for (const one of bad) {
    for (const node of one.nodes.slice(0, 3)) console.error(`${name}: ${one.id} (${one.impact}): ${node.target.join(" ")}: ${node.failureSummary}`);
  }
  if (bad.length > 0) throw new Error(`${name}: ${bad.length} serious finding(s) of axe-core`);
  return found.passes.length;
}

// Checks a page in each look: no content is cut off at any width, and axe-core finds nothing serious in either theme.
export async function checkPage(page, name) {
  for (const look of LOOKS) {
    await page.setViewportSize(look.viewport);
    await page.emulateMedia({ colorScheme: look.colorScheme, reducedMotion: "reduce" });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (overflow > 0) throw new Error(`${name} (${look.name}): the page is ${overflow} px wider than the screen`);
    await checkAccessibility(page, `${name} (${look.name})`);
    if (pictures) {
      await mkdir(pictures, { recursive: true });
      await page.screenshot({ path: path.join(pictures, `${name}-${look.name}.png`), fullPage: true });
    }
  }
  await page.setViewportSize(LOOKS[0].viewport);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

export function is(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`);
}

export function has(text, part, what) {
  if (!text.includes(part)) throw new Error(`${what}: ${JSON.stringify(part)} is not in ${JSON.stringify(text.slice(0, 2000))}`);
}
