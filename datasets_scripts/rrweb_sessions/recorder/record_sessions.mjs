#!/usr/bin/env node
// Makes labelled, seeded rrweb recordings: serves real pages on loopback, opens them in a real Chromium
// with the unmodified rrweb injected, and lets scripted users work on them. See README.md.
import path from 'node:path';
import { parseArgs } from 'node:util';

import { BrowserRecorder, launchBrowser, readBundles } from './browser_recorder.mjs';
import { sessionName, SessionFolder } from './session_labels.mjs';
import { drawPlan, TASK_LABELS } from './session_plan.mjs';
import { serveSites, SiteFiles } from './site_server.mjs';
import { SITES } from './sites.mjs';

const HELP = `usage: node record_sessions.mjs --work FOLDER --out FOLDER [options]

  --work FOLDER       made by setup.sh: holds sites/ and modules/
  --out FOLDER        gets one <session>.json.gz each and labels.csv; sessions that exist are skipped
  --seed N            (1) with the index decides everything that is planned
  --from N, --to N    (0, 160) session indices; 160 is one round of 10 tasks x 16 behaviours
  --cap MS            (15000) real time one session may take
  --tabs 1|2          (1) with 2 the user works in two tabs; written as {window_id, data} JSON lines
  --tasks A,B         only these tasks: ${Object.values(TASK_LABELS).join(' ')}
  --hosts A,B         only these sites
  --licences A,B      only pages under these licences
  --configs A,B       only these recorder configurations
  --no-css            no style sheets in the recording, whatever the configuration says
  --deny REGEX        addresses that no page may load
  --screenshots       also a picture of the page every 1.5 s, in <session>_screens/ with screenshots.csv
  --screenshot-ms N   (1500) real time between two pictures, at least 200
  --chromium FILE     (/usr/bin/chromium)

example: node record_sessions.mjs --work ~/recorder-work --out recorded --seed 4 --to 10`;

function fail(message) {
  console.error(`record_sessions.mjs: ${message}; see --help`);
  process.exit(2);
}

function readArguments() {
  const text = (value) => ({ type: 'string', ...(value && { default: value }) });
  const { values } = parseArgs({
    options: {
      work: text(), out: text(), seed: text('1'), from: text('0'), to: text('160'), cap: text('15000'),
      tabs: text('1'), tasks: text(), hosts: text(), licences: text(), configs: text(), deny: text(),
      chromium: text('/usr/bin/chromium'), 'no-css': { type: 'boolean', default: false },
      screenshots: { type: 'boolean', default: false }, 'screenshot-ms': text('1500'),
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  if (!values.work || !values.out) fail('expected --work FOLDER and --out FOLDER');
  for (const name of ['seed', 'from', 'to', 'cap', 'tabs', 'screenshot-ms']) {
    const number = Number(values[name]);
    if (!Number.isInteger(number) || number < 0) {
      fail(`--${name}: expected a whole number, got '${values[name]}'`);
    }
    values[name] = number;
  }
  if (![1, 2].includes(values.tabs)) fail(`--tabs: expected 1 or 2, got ${values.tabs}`);
  if (values['screenshot-ms'] < 200) {
    fail(`--screenshot-ms: expected at least 200, got ${values['screenshot-ms']}`);
  }
  for (const name of ['tasks', 'hosts', 'licences', 'configs']) values[name] = values[name]?.split(',');
  const known = { tasks: Object.values(TASK_LABELS), hosts: Object.keys(SITES) };
  for (const [name, allowed] of Object.entries(known)) {
    const unknown = values[name]?.find((value) => !allowed.includes(value));
    if (unknown) fail(`--${name}: '${unknown}' is none of ${allowed.join(' ')}`);
  }
  return values;
}

async function main() {
  const settings = readArguments();
  const modulesFolder = path.resolve(settings.work, 'modules');
  const files = new SiteFiles(path.resolve(settings.work, 'sites'));
  const bundles = readBundles(modulesFolder);
  const server = await serveSites(files);
  const folder = new SessionFolder(settings.out, bundles.version);
  const recorder = new BrowserRecorder({
    launch: () => launchBrowser({
      modulesFolder, executablePath: settings.chromium, port: server.port,
    }),
    files, bundles, capMs: settings.cap, tabs: settings.tabs, styleSheets: !settings['no-css'],
    deny: settings.deny ? new RegExp(settings.deny) : null,
    screenshotMs: settings.screenshots ? settings['screenshot-ms'] : 0,
  });

  let written = 0;
  let failed = 0;
  for (let index = settings.from; index < settings.to; index += 1) {
    const plan = drawPlan(settings.seed, index, settings);
    if (!plan || (settings.tasks && !settings.tasks.includes(TASK_LABELS[plan.task]))) continue;
    if (folder.holds(plan)) continue;
    const what = [sessionName(plan), TASK_LABELS[plan.task], plan.behaviour, plan.site].join(' ');
    try {
      const file = folder.write(plan, await recorder.record(plan));
      if (!file) throw new Error('no snapshot was emitted');
      written += 1;
      console.log(what);
    } catch (error) {
      failed += 1;
      console.error(`${what}: ${String(error.message).split('\n')[0]}`);
    }
  }
  console.log(`${written} sessions written, ${failed} failed`);
  await recorder.close();
  server.close();
  // A recorder that could not record anything must not look like one that had nothing to do.
  process.exit(failed && !written ? 1 : 0);
}

await main();
