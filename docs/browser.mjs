// Look at every page of the built site in a browser: docs/check.py calls this.
//
//     node browser.mjs SITE MODULES CHROMIUM [FOLDER]
//
// SITE is the folder of the built site, MODULES is where npm has put puppeteer-core and
// axe-core, CHROMIUM the browser's executable. With a FOLDER, pictures of some pages are
// put there besides. Prints a line for each mistake; the exit status is 1 if there is any:
// - what axe finds: accessibility errors, in light or in dark colours
// - a request that leaves the site, or is not answered
// - an error on the console, a diagram that cannot be drawn
// - a page that is wider than a narrow screen

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { readFile, readdir } from "node:fs/promises";
import { extname, join, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";

const [site, modules, chromium, folder] = process.argv.slice(2);
const require = createRequire(resolve(modules, "node_modules", "_"));
const axe = await readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const { default: puppeteer } = await import(
  pathToFileURL(require.resolve("puppeteer-core"))
);

const AT_ONCE = 3; // pages; the machine may have two cores
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };
const PICTURES = [
  "index.html",
  "learn/channels/index.html",
  "reference/channels/index.html",
  "zh/hello/index.html",
];
const SCHEMES = ["default", "slate"]; // light and dark, as the theme calls them
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
// These are looked at in both, with what is the same on every page. The others take turns:
// looking is most of what this costs.
const WHOLE = new Set([
  "404.html",
  "index.html",
  "coming-from/go/index.html",
  "internals/channel/index.html",
  "learn/channels/index.html",
  "reference/channels/index.html",
]);
const SAME_EVERYWHERE = [[".md-header"], [".md-tabs"], [".md-sidebar"], [".md-footer"]];
const KINDS = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

const server = createServer(async (request, response) => {
  let path = decodeURIComponent(new URL(request.url, "http://site").pathname);
  if (path.endsWith("/")) path += "index.html";
  try {
    const content = await readFile(join(site, path));
    response.setHeader("Content-Type", KINDS[extname(path)] ?? "text/plain");
    response.end(content);
  } catch {
    response.statusCode = 404;
    response.end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const origin = `http://127.0.0.1:${server.address().port}/`;

const browser = await puppeteer.launch({
  executablePath: chromium,
  // root in a container has no sandbox to offer; the pages are our own
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const mistakes = new Set();

// What axe has to say; this runs in the page.
async function judge(scheme, exclude, values) {
  document.body.setAttribute("data-md-color-scheme", scheme);
  // colours fade from one scheme into the other
  const style = document.createElement("style");
  style.textContent = "* { transition: none !important; }";
  document.head.append(style);
  const { violations } = await axe.run(
    { exclude },
    { resultTypes: ["violations"], runOnly: { type: "tag", values } },
  );
  return violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, any }) => {
      const { fgColor, bgColor } = any[0]?.data ?? {};
      const colours = fgColor ? ` (${fgColor} on ${bgColor})` : "";
      return `${id}, ${help}: ${target.join(" ")}${colours}`;
    }),
  );
}

async function visit(page, path, number) {
  const problem = (text) => mistakes.add(`${path}: ${text}`);
  const onRequest = (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:") && !url.startsWith("blob:"))
      problem(`loads ${url}`);
  };
  const onResponse = (response) => {
    // the browser asks for it, the page does not
    if (response.status() >= 400 && !response.url().endsWith("/favicon.ico"))
      problem(`${response.status()} for ${response.url()}`);
  };
  const onConsole = (message) => {
    if (message.type() === "error") problem(`console: ${message.text()}`);
  };
  const onError = (error) => problem(`script: ${error.message}`);
  page.on("request", onRequest).on("response", onResponse);
  page.on("console", onConsole).on("pageerror", onError);
  await page.setViewport(WIDE);
  await page.goto(origin + path.replace(/index\.html$/, ""), { waitUntil: "load" });
  // what a script of ours does when it sees how wide things are
  await page.evaluate(
    () => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))),
  );
  await page.evaluate(axe);
  // diagrams are drawn one by one, each into an element that has nothing inside
  await page
    .waitForFunction(() => !document.querySelector("pre.mermaid"))
    .catch(() => problem("a diagram is not drawn"));
  const whole = WHOLE.has(path);
  for (const scheme of whole ? SCHEMES : [SCHEMES[number % 2]]) {
    const found = await page.evaluate(judge, scheme, whole ? [] : SAME_EVERYWHERE, RULES);
    for (const text of found) problem(`${scheme}: ${text}`);
  }
  await page.setViewport(NARROW);
  const width = await page.evaluate(() => document.scrollingElement.scrollWidth);
  if (width > NARROW.width) problem(`${width} wide on a screen of ${NARROW.width}`);
  page.off("request", onRequest).off("response", onResponse);
  page.off("console", onConsole).off("pageerror", onError);
}

async function picture(path) {
  const page = await browser.newPage();
  for (const scheme of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
      await page.setViewport(viewport);
      await page.goto(origin + path, { waitUntil: "networkidle0" });
      const name = path.replace(/\/?index\.html$/, "").replaceAll("/", "-") || "home";
      await page.screenshot({ path: join(folder, `${name}-${scheme}-${size}.png`) });
    }
  }
  await page.close();
}

try {
  const names = await readdir(site, { recursive: true });
  const waiting = names.filter((name) => name.endsWith(".html")).sort().reverse();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      const page = await browser.newPage();
      // nothing is drawn, and no size observed, where nobody looks
      await page.emulateFocusedPage(true);
      // the machine may have other things to do
      page.setDefaultTimeout(120_000);
      while (waiting.length) {
        const path = waiting.pop().split(sep).join("/");
        await visit(page, path, waiting.length);
      }
      await page.close();
    }),
  );
  if (folder) for (const path of PICTURES) await picture(path);
} finally {
  await browser.close();
  server.close();
}
for (const mistake of [...mistakes].sort()) console.log(mistake);
process.exitCode = mistakes.size ? 1 : 0;
