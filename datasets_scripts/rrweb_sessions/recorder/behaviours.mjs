// How the user feels: what each behaviour adds to a task. `engaged` adds nothing, `bot` changes the
// body (human.mjs): no pointer path, whole strings at once, pauses of constant length.
import { WORDS } from './invented_people.mjs';
import { sleep } from './human.mjs';

const TEXT_FIELDS = 'input[type=text], input[type=email], input[type=password], input[type=search], '
  + 'input:not([type]), textarea';

// What a frustrated user does between two steps.
const OUTBURSTS = {
  async rage(human) {
    const { random, page } = human;
    const handle = await human.one('button, a, .btn, input, h1, h2, img, td, label');
    const box = handle && await human.box(handle);
    if (!box) return;
    const x = box.x + box.width / 2;
    const y = box.y + Math.min(box.height / 2, 120);
    await human.move(x, y);
    for (let left = random.integer(5, 11); left > 0; left -= 1) {
      if (human.plan.touch) await page.touchscreen.tap(x, y);
      else {
        const jitter = [x + random.normal() * 3, y + random.normal() * 3];
        await page.mouse.click(...jitter, { delay: random.integer(20, 45) });
      }
      await sleep(random.integer(40, 130));
    }
  },

  async thrash({ random, page, viewport: { width, height } }) {
    for (let k = 0; k < random.integer(6, 12); k += 1) {
      const x = width / 2 + (random.normal() * width) / 4;
      const y = height / 2 + (random.normal() * height) / 5;
      await page.mouse.move(x, y, { steps: 4 });
    }
  },

  async dead(human) {
    const { random, viewport } = human;
    for (let k = 0; k < random.integer(3, 6); k += 1) {
      const x = random.integer(10, viewport.width - 10);
      const y = random.integer(80, viewport.height - 10);
      await human.move(x, y);
      await human.press(x, y);
      await human.wait(300);
    }
  },

  async scroll({ random, page }) {
    for (let k = 0; k < random.integer(4, 8); k += 1) {
      await page.mouse.wheel(0, (k % 2 ? -1 : 1) * random.integer(500, 1400));
      await sleep(90);
    }
  },

  async back(human) {
    await human.page.goBack({ timeout: 1500 }).catch(() => {});
    await human.settle();
    await human.think(700);
    await human.page.goForward({ timeout: 1500 }).catch(() => {});
    await human.settle();
  },

  async retype(human) {
    const { random, page: { keyboard } } = human;
    const handle = await human.one(TEXT_FIELDS);
    if (!handle || !await human.click(handle)) return;
    for (let k = 0; k < 2; k += 1) {
      const word = random.pick(WORDS);
      await keyboard.type(word, { delay: 18 });
      for (let left = word.length; left > 0; left -= 1) await keyboard.press('Backspace', { delay: 8 });
    }
  },
};

async function outburst(human) {
  const kind = human.random.pick(['rage', 'rage', 'thrash', 'dead', 'scroll', 'back', 'retype']);
  await OUTBURSTS[human.plan.touch ? 'rage' : kind](human);
  await human.wait(500);
}

// The user's eyes leave the window for a minute; sometimes the window has another size afterwards.
async function lookAway(human) {
  const { random, page, plan } = human;
  if (random.chance(0.6)) {
    await page.evaluate(() => {
      window.dispatchEvent(new Event('blur'));
      document.activeElement?.blur();
    }).catch(() => {});
  }
  await human.skip(plan.realtime ? 0 : random.logNormal(60000, 0.8));
  await sleep(120);
  if (random.chance(0.35) && !plan.touch) {
    human.viewport = { width: random.integer(900, 1600), height: random.integer(600, 950) };
    await page.setViewportSize(human.viewport).catch(() => {});
  }
  const { width, height } = human.viewport;
  await human.move(random.integer(20, width - 20), random.integer(60, height - 20));
}

// Called between the steps of a task.
export async function betweenSteps(human) {
  const { random, plan } = human;
  if (plan.behaviour === 'frustrated' && random.chance(0.75)) await outburst(human);
  else if (plan.behaviour === 'distracted' && random.chance(0.5)) await lookAway(human);
}

// The whole visit of a user who leaves within seconds, whatever the task was.
export async function bounce(human) {
  const { random, viewport } = human;
  await human.think(1500);
  if (random.chance(0.5)) await human.scroll(random.integer(100, 500));
  await human.move(random.integer(0, viewport.width), 5);
  await human.think(900);
}
