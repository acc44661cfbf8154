// Opens a report in Chromium and fails on what a reader could not use.
//
//   npm ci
//   node check.mjs REPORT.html FOLDER [WIDTH ...]
//
// For each width (1280, 768 and 390 pixels unless given) and each colour scheme, it unfolds every
// part and fails on serious and critical findings of axe-core, on a page that is wider than the
// window, on requests to the network and on errors of scripts. In the first view it also tries the
// links, the filter of the claims and the keyboard. FOLDER gets a screenshot of the first screen
// and of the whole page in each view, and report.pdf, the page as it is printed. The environment
// variable CHROMIUM names another browser than /usr/bin/chromium.

import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [report, folder, ...given] = process.argv.slice(2);
if (!report || !folder) {
  console.error("wanted: node check.mjs REPORT.html FOLDER [WIDTH ...]");
  process.exit(2);
}
const widths = given.length ? given.map(Number) : [1280, 768, 390];
const url = pathToFileURL(resolve(report)).href;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const failures = [];
await mkdir(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  await use();
  for (const width of widths) {
    for (const colorScheme of ["light", "dark"]) await look(width, colorScheme);
  }
  await print();
} finally {
  await browser.close();
}
for (const failure of failures) console.error(failure);
console.log(`${failures.length} failures`);
process.exit(failures.length ? 1 : 0);

function expect(holds, words) {
  if (!holds) failures.push(words);
}

async function open(name, options, hash = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("pageerror", (error) => failures.push(`${name}: script: ${error.message}`));
  page.on("request", (request) => {
    expect(/^(file|data|blob):/.test(request.url()), `${name}: asks for ${request.url()}`);
  });
  await page.goto(url + hash);
  return page;
}

async function look(width, colorScheme) {
  const name = `${width}-${colorScheme}`;
  const page = await open(name, { viewport: { width, height: 900 }, colorScheme });
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await page.evaluate(() => {
    for (const part of document.querySelectorAll("details")) part.open = true;
  });
  await page.screenshot({ path: join(folder, `${name}-whole.png`), fullPage: true });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  expect(wide <= 0, `${name}: ${wide} pixels wider than the window`);
  await page.evaluate(axe);
  // a dark page differs in its colours alone
  const rules = colorScheme === "dark" ? { runOnly: ["color-contrast"] } : {};
  const { violations } = await page.evaluate((r) => window.axe.run(document, r), rules);
  for (const { id, impact, help, nodes } of violations) {
    const where = `${nodes.length} times, first ${nodes[0].html.slice(0, 200)}`;
    const words = `${name}: ${impact}: ${id}: ${help}: ${where}`;
    if (["serious", "critical"].includes(impact)) failures.push(words);
    else console.log(words);
  }
  await page.context().close();
}

async function use() {
  const page = await open("use", {}, "#run");
  const opened = (id) =>
    page.evaluate((name) => {
      let part = document.getElementById(name);
      while (part && !part.matches("details")) part = part.nextElementSibling;
      return Boolean(part?.open);
    }, id);
  expect(await opened("run"), "use: a link to a section does not unfold it");
  expect(!(await opened("paper")), "use: a section is unfolded that nobody asked for");
  const rows = () => page.locator("#claim-rows tbody tr:visible").count();
  const all = await rows();
  const button = page.locator(".filter button").nth(1);
  const count = Number(await button.locator("b").textContent());
  await button.focus();
  await page.keyboard.press("Enter");
  expect((await rows()) === count, `use: ${await rows()} claims are shown, ${count} were wanted`);
  expect((await button.getAttribute("aria-pressed")) === "true", "use: no button is pressed");
  await page.locator(".filter button").first().click();
  expect((await rows()) === all, "use: not all claims are shown again");
  await page.locator("body").press("Tab");
  await page.context().close();

  const bare = await open("without script", { javaScriptEnabled: false });
  expect((await bare.locator("#claim-rows tbody tr:visible").count()) === all, "without script: claims are hidden");
  expect(!(await bare.locator(".filter").isVisible()), "without script: the filter is shown");
  await bare.context().close();
}

async function print() {
  const page = await open("print", {});
  await page.emulateMedia({ media: "print" });
  const hidden = await page.evaluate(
    () => [...document.querySelectorAll("main table, main figure")].filter((e) => !e.offsetHeight).length,
  );
  expect(!hidden, `print: ${hidden} tables or figures are folded`);
  await page.pdf({ path: join(folder, "report.pdf"), preferCSSPageSize: true });
  await page.context().close();
}
