// Opens a plan's pages in a real Chromium, lets the scripted user act, and returns what rrweb emitted.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { Human, sleep } from './human.mjs';
import { pageScript } from './recorder_configs.mjs';
import { watch } from './screenshots.mjs';
import { CDN_RULES, SITES } from './sites.mjs';
import { visit } from './tasks.mjs';

const GRACE_MS = 3000; // how long after its deadline a step may still finish
const LAST_FLUSH_MS = 550; // rrweb sends pointer positions every 500 ms
const TURNS = 4; // with two tabs: first, second, first, second

// Reads the published bundles of rrweb and its console plugin below <work>/modules.
export function readBundles(modulesFolder) {
  const packages = path.resolve(modulesFolder, 'node_modules');
  const read = (file) => fs.readFileSync(path.join(packages, file), 'utf8');
  const plugin = '@rrweb/rrweb-plugin-console-record/dist/rrweb-plugin-console-record.umd.min.cjs';
  return {
    library: read('rrweb/dist/rrweb.umd.min.cjs'),
    consolePlugin: read(plugin),
    version: JSON.parse(read('rrweb/package.json')).version,
  };
}

// Starts a Chromium that can reach this machine's loopback and nothing else: no other name resolves,
// and the browser's own services are off.
export function launchBrowser({ modulesFolder, executablePath, port = null }) {
  const { chromium } = createRequire(path.resolve(modulesFolder, 'package.json'))('playwright-core');
  const sites = port ? `MAP *.test 127.0.0.1:${port}, ` : '';
  const args = [
    '--disable-gpu', '--disable-dev-shm-usage', '--mute-audio', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update', '--disable-quic',
    `--host-resolver-rules=${sites}MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
  ];
  // Chromium's sandbox does not start for root; the pages are local files of known packages.
  if (process.getuid?.() === 0) args.push('--no-sandbox');
  return chromium.launch({ executablePath, headless: true, args });
}

export class BrowserRecorder {
  // launch: () -> playwright Browser; files: SiteFiles; bundles: from readBundles; capMs: real time a
  // session may take; tabs: 1 or 2; styleSheets: false keeps CSS out whatever the plan's configuration;
  // deny: RegExp of addresses that no page may load, or null; screenshotMs: real time between two pictures
  // of the page, 0 for none.
  constructor({
    launch, files, bundles, capMs, tabs = 1, styleSheets = true, deny = null, screenshotMs = 0,
  }) {
    Object.assign(this, {
      launch, files, bundles, capMs, tabs, styleSheets, deny, screenshotMs, browser: null,
    });
  }

  async close() {
    await this.browser?.close();
  }

  // Returns {emitted: [{window, event}] in time order, steps, screenshots: [{window, time, image ...}]};
  // window is 0, or 1 for the second tab.
  async record(plan) {
    if (!this.browser?.isConnected()) this.browser = await this.launch();
    const context = await this.browser.newContext({
      viewport: { width: plan.width, height: plan.height }, locale: 'en-US',
      hasTouch: plan.touch, isMobile: plan.touch,
    });
    const session = { plan, context, tabs: [], humans: [], emitted: [], screenshots: [] };
    try {
      await this.prepare(session);
      await this.openFirstTab(session);
      if (this.tabs === 2) await this.takeTurns(session);
      else await this.act(session, session.humans[0], this.capMs);
      await sleep(LAST_FLUSH_MS);
      const stop = () => window.__stop && window.__stop();
      await Promise.all(session.tabs.map((tab) => tab.evaluate(stop).catch(() => {})));
    } finally {
      await context.close().catch(() => {});
    }
    // Stable sort: rrweb emits a few events late, with the time at which they happened.
    session.emitted.sort((a, b) => a.event.timestamp - b.event.timestamp);
    return {
      emitted: session.emitted, screenshots: session.screenshots,
      steps: session.humans.reduce((sum, human) => sum + human.steps, 0),
    };
  }

  async prepare({ plan, context, tabs, emitted }) {
    await context.exposeBinding('__emit', ({ page }, text) => {
      emitted.push({ window: Math.max(0, tabs.indexOf(page)), event: JSON.parse(text) });
    });
    const options = { ...plan.config.options };
    if (!this.styleSheets) options.inlineStylesheet = false;
    await context.addInitScript(pageScript({ ...plan.config, options }, this.bundles));
    const isForeign = (url) => url.protocol.startsWith('http') && !url.hostname.endsWith('.test');
    await context.route(isForeign, (route) => {
      const file = this.installedAnswer(route.request().url().split('?')[0]);
      return file ? route.fulfill({ path: file }) : route.abort();
    });
    if (this.deny) await context.route((url) => this.deny.test(url.href), (route) => route.abort());
  }

  installedAnswer(url) {
    for (const [pattern, pathOf] of CDN_RULES) {
      const match = url.match(pattern);
      const file = match && path.join(this.files.npm, pathOf(match));
      if (file && fs.statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    }
    return null;
  }

  async openFirstTab(session) {
    const { plan, context, tabs } = session;
    const page = await context.newPage();
    this.addTab(session, page);
    context.on('page', (opened) => {
      if (tabs.length < this.tabs && session.opening) return; // the second tab
      opened.close().catch(() => {}); // one window a session, unless asked for
    });
    const address = `http://${plan.site}${plan.start}`;
    await page.goto(address, { waitUntil: 'load', timeout: 8000 }).catch(() => {});
    await sleep(250);
    const cdp = await context.newCDPSession(page);
    session.humans.push(new Human({ page, cdp, plan, deadline: Date.now() + this.capMs, tabs }));
  }

  addTab(session, page) {
    session.tabs.push(page);
    page.setDefaultTimeout(1500);
    page.on('dialog', (dialog) => dialog.dismiss().catch(() => {}));
  }

  // window.open gives a real second tab, which inherits sessionStorage and so the virtual clock. It opens
  // empty: a page that loads at once can be faster than the injection of the recorder.
  async openSecondTab(session) {
    const { plan, context, tabs } = session;
    session.opening = true;
    const [page] = await Promise.all([
      context.waitForEvent('page', { timeout: 4000 }),
      tabs[0].evaluate(() => { window.open(''); }),
    ]);
    this.addTab(session, page);
    session.opening = false;
    await page.setViewportSize({ width: plan.width, height: plan.height });
    const address = `http://${plan.site}${plan.random.pick(SITES[plan.site][plan.task])}`;
    await page.goto(address, { waitUntil: 'load', timeout: 8000 }).catch(() => {});
    const cdp = await context.newCDPSession(page);
    session.humans.push(new Human({ page, cdp, plan, deadline: 0, tabs }));
  }

  async takeTurns(session) {
    for (let turn = 0; turn < TURNS; turn += 1) {
      if (turn === 1) await this.openSecondTab(session);
      const human = session.humans[turn % 2];
      await human.page.bringToFront();
      await this.act(session, human, this.capMs / TURNS);
    }
  }

  async act({ tabs, screenshots }, human, ms) {
    human.deadline = Date.now() + ms;
    let over = false;
    const watching = this.screenshotMs ? watch(human, {
      everyMs: this.screenshotMs, window: tabs.indexOf(human.page), isOver: () => over, screenshots,
    }) : null;
    // A step that fails (an element went away, a page would not load) ends the visit, not the session.
    const visited = visit(human).catch((error) => process.env.DEBUG && console.error(error.message));
    await Promise.race([visited, sleep(ms + GRACE_MS)]);
    over = true;
    await watching;
  }
}
