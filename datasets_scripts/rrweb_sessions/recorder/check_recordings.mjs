#!/usr/bin/env node
// Loads recordings into rrweb's own Replayer, seeks to the end, and says whether the page was rebuilt
// and how many warnings the Replayer raised. Exit code 1 when a recording could not be rebuilt.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { parseArgs } from 'node:util';
import zlib from 'node:zlib';

import { launchBrowser, readBundles } from './browser_recorder.mjs';

const HELP = `usage: node check_recordings.mjs --work FOLDER --dir FOLDER [--n 12] [--chromium FILE]

  --work FOLDER     made by setup.sh
  --dir FOLDER      recordings: .json, .json.gz or, with several windows, .jsonl.gz
  --n N             (12) how many to check, spread evenly over the folder

example: node check_recordings.mjs --work ~/recorder-work --dir recorded --n 1000`;
const FEWEST_NODES = 4; // html, head, body and one more: less is an empty page
const DRAWING_MS = 400;

// Returns a list of windows, each the list of its events.
function readWindows(file) {
  const raw = fs.readFileSync(file);
  const text = (file.endsWith('.gz') ? zlib.gunzipSync(raw) : raw).toString();
  if (!file.includes('.jsonl')) return [JSON.parse(text)];
  const windows = new Map();
  for (const line of text.split('\n').filter(Boolean)) {
    const { window_id: id, data } = JSON.parse(line);
    windows.set(id, [...(windows.get(id) || []), ...data]);
  }
  return [...windows.values()];
}

// Runs in the page: returns what the Replayer made of the events.
async function replay([events, drawingMs]) {
  const root = document.getElementById('player');
  const replayer = new window.rrweb.Replayer(events, { root, showWarning: true, mouseTail: false });
  const { totalTime } = replayer.getMetaData();
  replayer.pause(totalTime);
  await new Promise((resolve) => { setTimeout(resolve, drawingMs); });
  const page = replayer.iframe.contentDocument;
  return {
    durationMs: totalTime, nodes: page.querySelectorAll('*').length,
    letters: page.body ? page.body.textContent.trim().length : 0,
  };
}

async function checkWindow(browser, address, library, events) {
  const page = await browser.newPage();
  let warnings = 0;
  let missing = 0;
  page.on('console', (message) => {
    if (message.type() !== 'warning') return;
    warnings += 1;
    if (/not found/.test(message.text())) missing += 1;
  });
  try {
    await page.goto(address);
    await page.addScriptTag({ content: library });
    const seen = await page.evaluate(replay, [events, DRAWING_MS]);
    return { ...seen, warnings, missing, rebuilt: seen.nodes >= FEWEST_NODES };
  } catch (error) {
    return { error: error.message.split('\n')[0], warnings, missing, rebuilt: false };
  } finally {
    await page.close();
  }
}

async function servePlayer() {
  const server = http.createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><body><div id="player"></div>');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return server;
}

async function main() {
  const { values } = parseArgs({
    options: {
      work: { type: 'string' }, dir: { type: 'string' }, n: { type: 'string', default: '12' },
      chromium: { type: 'string', default: '/usr/bin/chromium' }, help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help || !values.work || !values.dir) {
    console.log(HELP);
    process.exit(values.help ? 0 : 2);
  }
  const all = fs.readdirSync(values.dir).filter((name) => /\.jsonl?(\.gz)?$/.test(name)).sort();
  const step = Math.max(1, Math.floor(all.length / Number(values.n)));
  const names = all.filter((_, index) => index % step === 0).slice(0, Number(values.n));

  const modulesFolder = path.resolve(values.work, 'modules');
  const { library } = readBundles(modulesFolder);
  const browser = await launchBrowser({ modulesFolder, executablePath: values.chromium });
  const server = await servePlayer();
  const address = `http://127.0.0.1:${server.address().port}/`;
  let rebuilt = 0;
  let warnings = 0;
  for (const name of names) {
    const results = [];
    for (const events of readWindows(path.join(values.dir, name))) {
      results.push(await checkWindow(browser, address, library, events));
    }
    const good = results.length > 0 && results.every((result) => result.rebuilt);
    rebuilt += Number(good);
    warnings += results.reduce((sum, result) => sum + result.warnings, 0);
    console.log(good ? 'rebuilt' : 'FAILED ', name, JSON.stringify(results));
  }
  console.log(`${rebuilt} of ${names.length} rebuilt, ${warnings} warnings`);
  await browser.close();
  server.close();
  process.exit(rebuilt === names.length ? 0 : 1);
}

await main();
