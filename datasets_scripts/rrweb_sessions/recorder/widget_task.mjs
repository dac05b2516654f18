// The task that plays with widgets: slider, calendar, sortable list, drag and drop, tabs. See tasks.mjs.
import { betweenSteps } from './behaviours.mjs';
import { sleep } from './human.mjs';
import { SITES } from './sites.mjs';

// Selector of something to drag -> [lowest, highest] distance right and down, in pixels.
const DRAGGABLE = [
  ['.ui-slider-handle', [-120, 200], [-10, 10]],
  ['.ui-sortable li, .ui-sortable-handle', [0, 0], [-120, 120]],
  ['.ui-draggable', [30, 240], [-30, 140]],
  ['.ui-resizable-se', [10, 160], [10, 120]],
];
const CALENDAR_FIELD = 'input.hasDatepicker, #datepicker';
const CLICKABLE = '.ui-accordion-header, .ui-tabs-anchor, .ui-selectee, .ui-menu-item, '
  + '.ui-spinner-button, .ui-selectmenu-button, .ui-checkboxradio-label, .ui-button, [data-bs-toggle], '
  + '.accordion-button, .nav-link, .btn, .carousel-control-next';

async function dragOne(human, selector, right, down) {
  const { random } = human;
  const [dx, dy] = [random.integer(...right), random.integer(...down)];
  const handle = await human.one(selector);
  const box = handle && await human.box(handle);
  if (!box || human.plan.touch) return;
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  await human.drag(x, y, x + dx, y + dy);
}

async function useWidget(human) {
  const { random } = human;
  for (const [selector, right, down] of DRAGGABLE) {
    if (await human.one(selector)) {
      await dragOne(human, selector, right, down);
      return;
    }
  }
  if (await human.one('.ui-datepicker')) {
    await human.clickOne('.ui-datepicker td a, .ui-datepicker-next, .ui-datepicker-prev');
  } else if (await human.one(CALENDAR_FIELD)) await human.clickOne(CALENDAR_FIELD);
  else if (await human.one('.ui-autocomplete-input')) {
    await human.clickOne('.ui-autocomplete-input');
    await human.type(random.pick(['ja', 'c', 'py', 'a', 'sc']));
    await sleep(350);
    await human.clickOne('.ui-menu-item');
  } else if (!await human.clickOne(CLICKABLE)) await human.scroll(random.integer(100, 400));
}

export async function widgets(human) {
  const { random, plan } = human;
  const visits = random.integer(2, 3);
  for (let visit = 0; visit < visits && !human.done(); visit += 1) {
    for (let k = 0; k < random.integer(3, 5) && !human.done(); k += 1) {
      await useWidget(human);
      await human.think(1200);
    }
    await betweenSteps(human);
    if (visit + 1 === visits) break;
    const next = `http://${plan.site}${random.pick(SITES[plan.site].widgets)}`;
    await human.page.goto(next, { waitUntil: 'domcontentloaded', timeout: 4000 }).catch(() => {});
    await sleep(400);
  }
}
