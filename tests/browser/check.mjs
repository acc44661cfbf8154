// Opens a report in Chromium and fails on what a reader could not use.
//
//   node check.mjs REPORT.html FOLDER [WIDTH ...]
//
// For each width (default 1280, 768 and 390 pixels) and each colour scheme, it runs axe-core with
// every part unfolded, and fails on serious and critical findings, on a page that is wider than the
// window, on requests to the network, and on errors of scripts. FOLDER gets a screenshot of each,
// folded and unfolded, and report.pdf as it is printed. CHROMIUM names another browser.

import { readFile, mkdir } from "node:fs/promises";
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
const page_url = pathToFileURL(resolve(report)).href;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const failures = [];
await mkdir(folder, { recursive: true });

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of widths) await look(width, colorScheme);
  }
  await print();
} finally {
  await browser.close();
}
for (const failure of failures) console.error(failure);
console.log(`${widths.length * 2 + 1} views, ${failures.length} failures`);
process.exit(failures.length ? 1 : 0);

async function open(name, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.on("pageerror", (error) => failures.push(`${name}: script: ${error.message}`));
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) failures.push(`${name}: asks ${request.url()}`);
  });
  await page.goto(page_url);
  return page;
}

async function look(width, colorScheme) {
  const name = `${width}-${colorScheme}`;
  const page = await open(name, { viewport: { width, height: 900 }, colorScheme });
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await check(page, name, "folded");
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => (d.open = true)));
  await page.screenshot({ path: join(folder, `${name}-unfolded.png`), fullPage: true });
  await check(page, name, "unfolded");
  await page.context().close();
}

async function check(page, name, state) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) failures.push(`${name}, ${state}: ${wide} pixels wider than the window`);
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  for (const { id, impact, help, nodes } of violations) {
    const words = `${name}, ${state}: ${impact} ${id}: ${help} (${nodes.length}): ${nodes[0].html}`;
    if (["serious", "critical"].includes(impact)) failures.push(words.slice(0, 400));
    else console.log(words.slice(0, 400));
  }
}

async function print() {
  const page = await open("print", { viewport: { width: 1280, height: 900 } });
  await page.emulateMedia({ media: "print" });
  const hidden = await page.evaluate(
    () => [...document.querySelectorAll("main table, main figure")].filter((e) => !e.offsetHeight).length,
  );
  if (hidden) failures.push(`print: ${hidden} tables or figures are folded`);
  await page.pdf({ path: join(folder, "report.pdf"), format: "A4", printBackground: false });
  await page.context().close();
}
