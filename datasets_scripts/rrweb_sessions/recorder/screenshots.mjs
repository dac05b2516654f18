// Pictures of the page while somebody uses it, each with the time on the clock of the recorded events.
import fs from 'node:fs';
import path from 'node:path';

import { sleep } from './human.mjs';

const COLUMNS = ['file', 'seconds', 'window', 'width', 'height', 'href'];
const QUALITY = 60; // of WebP, 0 to 100
const LONGEST_MS = 2000; // a page that answers no sooner is not photographed this time

// Runs in the page; Date.now is the virtual clock that rrweb reads too.
const lookAround = () => ({
  time: Date.now(), width: innerWidth, height: innerHeight, href: location.href,
  isLoaded: document.readyState === 'complete',
});

// Returns {time, width, height, href, image} of what one tab shows now, or null when it would not say.
async function photograph(page, cdp) {
  try {
    const seen = await page.evaluate(lookAround);
    if (!seen.href.startsWith('http') || !seen.isLoaded) return null;
    // The viewport as it is on the screen: no resizing and no style put into the page, so rrweb sees nothing of it.
    const { data } = await cdp.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
    // A picture of the next page, taken while the pages changed, would stand among the events of this one.
    const after = await page.evaluate(lookAround);
    if (after.href !== seen.href || !after.isLoaded) return null;
    return { ...seen, image: Buffer.from(data, 'base64') };
  } catch {
    return null; // between two pages, or closed
  }
}

// Photographs a tab at once and then every `everyMs` of real time until `isOver()`; appends to `screenshots`.
export async function watch({ page, cdp }, { everyMs, window, isOver, screenshots }) {
  while (!isOver()) {
    const shot = await Promise.race([photograph(page, cdp), sleep(LONGEST_MS)]);
    if (shot && !isOver()) screenshots.push({ ...shot, window });
    for (let waited = 0; waited < everyMs && !isOver(); waited += 50) await sleep(Math.min(50, everyMs - waited));
  }
}

const quoted = (value) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : value);

// Writes the pictures of a session and screenshots.csv into `folder`, which holds nothing else afterwards.
// firstTime: of the session's first event, by the clock of the pictures; `seconds` count from it.
export function writeScreenshots(folder, screenshots, firstTime) {
  fs.rmSync(folder, { recursive: true, force: true });
  if (!screenshots.length) return;
  fs.mkdirSync(folder, { recursive: true });
  const lines = [COLUMNS.join(',')];
  [...screenshots].sort((a, b) => a.time - b.time).forEach((shot, number) => {
    const file = `${String(number).padStart(3, '0')}.webp`;
    fs.writeFileSync(path.join(folder, file), shot.image);
    const row = { ...shot, file, seconds: Math.max(0, (shot.time - firstTime) / 1000).toFixed(3) };
    lines.push(COLUMNS.map((column) => quoted(row[column])).join(','));
  });
  fs.writeFileSync(path.join(folder, 'screenshots.csv'), `${lines.join('\n')}\n`);
}
