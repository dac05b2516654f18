// The scripted user's body: eyes, hand and patience. Real browser input only (mouse path, wheel, keys,
// touch), no synthetic DOM events. What the user wants is in tasks.mjs, how they feel in behaviours.mjs.

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

const LONGEST_REAL_PAUSE_MS = 90; // the rest of a pause goes on the virtual clock
const LONGEST_REALTIME_PAUSE_MS = 4000;
const LONGEST_THOUGHT_MS = 60000;

// Runs in the page: indices of the elements one could see and use.
function visibleIndices([selector, most]) {
  const visible = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 3 && box.height > 3 && box.x >= 0 && box.x < innerWidth
      && getComputedStyle(element).visibility !== 'hidden' && !element.disabled && !element.readOnly;
  };
  return [...document.querySelectorAll(selector)]
    .map((element, index) => (visible(element) ? index : -1))
    .filter((index) => index >= 0).slice(0, most);
}

// Runs in the page: indices of the links to another page of the same host.
function linkIndices() {
  return [...document.querySelectorAll('a[href]')].map((link, index) => {
    const box = link.getBoundingClientRect();
    const leaves = link.host === location.host && link.pathname !== location.pathname;
    return leaves && box.width > 4 && box.height > 4 && box.x >= 0 && box.x < innerWidth ? index : -1;
  }).filter((index) => index >= 0);
}

export class Human {
  // page, cdp: playwright page and its DevTools session; plan: from drawPlan; deadline: real time, ms;
  // tabs: the list of all pages of the session (one virtual clock for all of them).
  constructor({ page, cdp, plan, deadline, tabs }) {
    Object.assign(this, { page, cdp, plan, deadline, tabs, random: plan.random, steps: 0 });
    this.isBot = plan.behaviour === 'bot';
    this.viewport = { width: plan.width, height: plan.height };
    this.x = this.random.integer(0, plan.width);
    this.y = this.random.integer(0, plan.height);
  }

  done() {
    return Date.now() > this.deadline;
  }

  // ----- time

  async skip(ms) {
    if (ms <= 0) return;
    const skipInPage = (skipped) => window.__skip && window.__skip(skipped);
    await Promise.all(this.tabs.map((tab) => tab.evaluate(skipInPage, Math.round(ms)).catch(() => {})));
  }

  // A pause: short ones are real, long ones are mostly skipped on the virtual clock.
  async wait(ms) {
    const pause = (this.isBot ? 120 : ms) * this.plan.pace;
    if (this.plan.realtime) {
      await sleep(Math.min(pause, LONGEST_REALTIME_PAUSE_MS));
      return;
    }
    const real = Math.min(pause, LONGEST_REAL_PAUSE_MS);
    await sleep(real);
    if (pause - real > 20) await this.skip(pause - real);
  }

  think(medianMs) {
    return this.wait(Math.min(this.random.logNormal(medianMs, 0.7), LONGEST_THOUGHT_MS));
  }

  async settle() {
    await this.page.waitForLoadState('domcontentloaded', { timeout: 3000 }).catch(() => {});
    await sleep(150);
  }

  // ----- hand

  // Moves along a cubic Bezier curve with smooth start and end and a trembling of one pixel.
  async move(targetX, targetY) {
    const { random, x: startX, y: startY } = this;
    this.x = targetX;
    this.y = targetY;
    if (this.plan.touch || this.isBot) return;
    const dx = targetX - startX;
    const dy = targetY - startY;
    const distance = Math.hypot(dx, dy);
    const steps = Math.max(4, Math.min(22, Math.round(distance / 28)));
    const bend = (along, spread) => [startX + dx * along + random.normal() * distance * spread,
      startY + dy * along + random.normal() * distance * spread];
    const points = [[startX, startY], bend(0.3, 0.12), bend(0.75, 0.08), [targetX, targetY]];
    for (let step = 1; step <= steps; step += 1) {
      const linear = step / steps;
      const t = linear * linear * (3 - 2 * linear);
      const u = 1 - t;
      const weights = [u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t];
      const at = (axis) => weights.reduce((sum, weight, k) => sum + weight * points[k][axis], 0);
      await this.page.mouse.move(at(0) + random.normal(), at(1) + random.normal());
      await sleep(random.integer(6, 14));
    }
  }

  async press(x, y, { double = false } = {}) {
    if (this.plan.touch) return this.page.touchscreen.tap(x, y);
    const { mouse } = this.page;
    if (this.isBot) return mouse.click(x, y);
    await mouse.down();
    await sleep(this.random.integer(35, 95));
    await mouse.up();
    if (!double) return undefined;
    await sleep(60);
    await mouse.down({ clickCount: 2 });
    await sleep(40);
    return mouse.up({ clickCount: 2 });
  }

  async drag(fromX, fromY, toX, toY) {
    await this.move(fromX, fromY);
    await this.page.mouse.down();
    await this.move(toX, toY);
    await this.page.mouse.up();
  }

  // Clicks an element; returns whether it could be clicked.
  async click(handle, { double = false } = {}) {
    const box = await this.box(handle);
    if (!box || box.width < 2) return false;
    const within = (low, width) => (this.isBot ? 0.5 : low + width * this.random.uniform());
    const x = box.x + box.width * within(0.2, 0.6);
    const y = box.y + Math.min(box.height, 300) * within(0.25, 0.5);
    await this.move(x, y);
    await this.wait(this.random.logNormal(220, 0.4));
    await this.press(x, y, { double });
    await this.wait(this.random.logNormal(260, 0.4));
    this.steps += 1;
    return true;
  }

  async clickOne(selector, options) {
    const handle = await this.one(selector);
    return handle ? this.click(handle, options) : false;
  }

  // Types with a person's rhythm and, now and then, a wrong letter taken back.
  async type(text, { enter = false } = {}) {
    const { random, page: { keyboard } } = this;
    if (this.isBot) await keyboard.insertText(text);
    else {
      for (const letter of text) {
        if (!this.plan.touch && random.chance(0.03) && /[a-z]/.test(letter)) {
          await keyboard.press(String.fromCharCode(97 + random.integer(0, 25)));
          await sleep(60);
          await keyboard.press('Backspace');
        }
        await keyboard.type(letter);
        await sleep(random.integer(8, 24));
        await this.wait(random.logNormal(70, 0.5));
        if (this.done()) break;
      }
    }
    if (enter) {
      await this.wait(250);
      await keyboard.press('Enter');
    }
    this.steps += 1;
  }

  async selectAll() {
    await this.page.keyboard.press('Control+A').catch(() => {});
  }

  async scroll(dy) {
    const { random, viewport } = this;
    if (this.isBot) {
      await this.page.evaluate((by) => window.scrollBy(0, by), dy).catch(() => {});
      return sleep(60);
    }
    if (this.plan.touch) {
      await this.cdp.send('Input.synthesizeScrollGesture', {
        x: viewport.width / 2, y: viewport.height / 2, yDistance: -dy, speed: 2400,
        gestureSourceType: 'touch',
      }).catch(() => {});
      return this.wait(200);
    }
    let left = dy;
    while (Math.abs(left) > 10) {
      const notch = Math.sign(left) * Math.min(Math.abs(left), random.integer(60, 140));
      await this.page.mouse.wheel(0, notch);
      left -= notch;
      await sleep(random.integer(12, 40));
    }
    return this.wait(random.logNormal(300, 0.5));
  }

  // ----- eyes

  async box(handle) {
    try {
      await handle.scrollIntoViewIfNeeded({ timeout: 500 });
      return await handle.boundingBox();
    } catch {
      return null; // gone, or behind something: a person would look elsewhere
    }
  }

  async all(selector, most = 60) {
    try {
      const handles = await this.page.$$(selector);
      const indices = await this.page.evaluate(visibleIndices, [selector, most]);
      return indices.map((index) => handles[index]).filter(Boolean);
    } catch {
      return [];
    }
  }

  async one(selector) {
    const handles = await this.all(selector);
    return handles.length ? this.random.pick(handles) : null;
  }

  // Follows a link to another page of the site.
  async followLink() {
    const indices = await this.page.evaluate(linkIndices).catch(() => []);
    if (!indices.length) return this.clickOne('a[href]');
    const handles = await this.page.$$('a[href]');
    const handle = handles[this.random.pick(indices)];
    const clicked = handle && await this.click(handle);
    await this.settle();
    return clicked;
  }
}
