// Looks at a page in a real browser, as people do who have a wide screen, a dark room, a telephone, a printer or no mouse, and says
// what was seen as one JSON object. Usage: node browser.mjs URL DIRECTORY-FOR-PICTURES
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.env.BROWSER_MODULES, 'package.json'));
const { chromium } = require('playwright-core');
const [url, pictures] = process.argv.slice(2);

// Chromium's own services would look for the network.
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args });

// What is wrong with what is shown, by the page's own measures.
function look() {
  const wrong = [];
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  for (const element of document.querySelectorAll('body *')) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join('');
    if (!text || element.closest('svg') || !element.checkVisibility({ checkOpacity: true })) continue;
    const style = getComputedStyle(element);
    const [one, other] = [luminance(channels(style.color)), luminance(behind(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < least) wrong.push(`contrast ${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
    if (size < 11) wrong.push(`text of ${size} px: ${text.slice(0, 40)}`);
  }
  if (document.documentElement.scrollWidth > innerWidth) {
    wrong.push(`the page is ${document.documentElement.scrollWidth} wide in a window of ${innerWidth}`);
    for (const element of document.querySelectorAll('body *')) {
      if (element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('.scroll,svg')) {
        wrong.push(`too wide: ${element.tagName}.${element.className} ${element.textContent.slice(0, 40)}`);
      }
    }
  }
  for (const svg of document.querySelectorAll('svg')) {
    if (svg.getAttribute('aria-hidden') !== 'true' && !(svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label'))) {
      wrong.push('a picture without words');
    }
    if (svg.getAttribute('role') === 'img' && !svg.closest('.card').querySelector('details table')) {
      wrong.push(`no table beside: ${svg.getAttribute('aria-label')}`);
    }
    if (/NaN|Infinity|undefined/.test(svg.outerHTML)) wrong.push(`not a number: ${svg.getAttribute('aria-label')}`);
  }
  if (!document.documentElement.lang) wrong.push('no language');
  if (document.scripts.length) wrong.push('a script');
  const levels = [...document.querySelectorAll('h1,h2,h3')].map((heading) => Number(heading.tagName[1]));
  if (levels[0] !== 1 || levels.some((level, at) => at && level > levels[at - 1] + 1)) wrong.push(`headings ${levels}`);
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id twice');
  for (const link of document.querySelectorAll('a[href]')) {
    const to = link.getAttribute('href');
    if (!to.startsWith('#') || !document.getElementById(to.slice(1))) wrong.push(`a link to ${to}`);
  }
  return wrong;
}

// Goes through the page by the keyboard alone.
async function keyboard(page) {
  const wrong = [], order = [];
  const focused = () => page.evaluate(() => {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    return { tag: element.tagName, text: element.textContent.trim().slice(0, 30), id: element.id, top: box.top + scrollY,
      seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      inside: box.bottom > 0 && box.top < innerHeight && box.left >= 0 };
  });
  await page.keyboard.press('Tab');
  const first = await focused();
  if (!first.text.startsWith('Skip')) wrong.push(`the first focus is ${JSON.stringify(first)}`);
  if (!first.inside) wrong.push('the skip link is not seen');
  await page.keyboard.press('Enter');
  const skipped = await page.evaluate(() => location.hash);
  if (skipped !== '#content') wrong.push(`the skip link leads to ${skipped}`);
  for (let at = 0; at < 400; at++) {
    await page.keyboard.press('Tab');
    const now = await focused();
    if (now.tag === 'BODY' || now.tag === 'HTML') break;
    if (!now.seen) wrong.push(`focus is not seen on ${now.tag} ${now.text}`);
    if (!now.inside) wrong.push(`focus is out of sight on ${now.tag} ${now.text}`);
    order.push(now.tag);
    if (now.tag === 'SUMMARY' && at < 60) {
      await page.keyboard.press('Enter');
      if (!(await page.evaluate(() => document.activeElement.parentElement.open))) wrong.push(`${now.text} does not open`);
      await page.keyboard.press('Enter');
    }
  }
  return { wrong, order };
}

const said = { modes: {}, console: [], requests: [] };
async function open(name, options) {
  const page = await browser.newPage(options);
  page.on('console', (message) => said.console.push(`${name}: ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => said.console.push(`${name}: ${error}`));
  page.on('request', (request) => {
    if (request.url().split('#')[0] !== url && !request.url().startsWith('data:')) said.requests.push(request.url());
  });
  await page.goto(url);
  return page;
}
for (const [name, width, colorScheme] of [['light', 1100, 'light'], ['dark', 1100, 'dark'], ['phone', 380, 'light'], ['phone-dark', 380, 'dark']]) {
  const page = await open(name, { viewport: { width, height: 800 }, colorScheme });
  const picture = await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  const wrong = await page.evaluate(look);
  // And with everything open.
  await page.evaluate(() => document.querySelectorAll('details').forEach((one) => { one.open = true; }));
  wrong.push(...(await page.evaluate(look)));
  said.modes[name] = { wrong, width: picture.readUInt32BE(16), height: picture.readUInt32BE(20), bytes: picture.length };
  await page.close();
}
const page = await open('keyboard', { viewport: { width: 1100, height: 800 } });
said.keyboard = await keyboard(page);
await page.emulateMedia({ media: 'print' });
await page.setViewportSize({ width: 700, height: 1000 });
// Paper does not scroll: nothing may be cut off.
said.modes.print = { wrong: [...(await page.evaluate(look)), ...(await page.evaluate(() => [...document.querySelectorAll('.scroll')]
  .filter((one) => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map((one) => `cut off: ${one.ariaLabel}`)))] };
const pdf = await page.pdf({ path: join(pictures, 'print.pdf'), format: 'A4', printBackground: true, preferCSSPageSize: true });
said.pages = (pdf.toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []).length;
await browser.close();
console.log(JSON.stringify(said));
