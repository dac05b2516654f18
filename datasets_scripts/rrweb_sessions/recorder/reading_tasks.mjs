// Tasks that are mostly looking: documentation, search, dashboard, shop. See tasks.mjs.
import { betweenSteps } from './behaviours.mjs';
import { QUERIES } from './invented_people.mjs';
import { sleep } from './human.mjs';

const SEARCH_FIELDS = 'input[name=q], input[type=search], input[name=s], input.form-control';
const SEARCH_RESULTS = '#search-results a, ul.search a, .list-group a, .search a';

export async function readPage(human, medianMs = 5000) {
  const { random } = human;
  const looks = human.isBot ? 1 : random.integer(1, 4);
  for (let look = 0; look < looks && !human.done(); look += 1) {
    await human.think(medianMs);
    if (!human.isBot && random.chance(0.6)) {
      const { width, height } = human.viewport;
      await human.move(random.integer(20, width - 20), random.integer(60, height - 20));
    }
    await human.scroll(random.chance(0.85) ? random.integer(150, 700) : -random.integer(100, 400));
  }
}

async function selectText(human) {
  if (human.isBot || human.plan.touch) return;
  const handle = await human.one('p, dd, li');
  const box = handle && await human.box(handle);
  if (!box) return;
  await human.drag(
    box.x + 4, box.y + Math.min(10, box.height / 2),
    box.x + Math.min(box.width - 4, human.random.integer(80, 400)), box.y + Math.min(box.height - 4, 12),
  );
  await human.think(900);
}

export async function browse(human) {
  const { random } = human;
  const pages = random.integer(2, 4);
  for (let page = 0; page < pages && !human.done(); page += 1) {
    await readPage(human, 6000);
    if (random.chance(0.4)) await selectText(human);
    await betweenSteps(human);
    await human.followLink();
    if (random.chance(0.25)) {
      await human.think(1500);
      await human.page.goBack({ timeout: 1500 }).catch(() => {});
      await human.settle();
    }
  }
  await readPage(human, 4000);
}

export async function search(human) {
  const { random } = human;
  const searches = random.integer(1, 3);
  for (let k = 0; k < searches && !human.done(); k += 1) {
    const field = await human.one(SEARCH_FIELDS);
    if (!field) {
      await human.followLink();
      await readPage(human, 2000);
      continue;
    }
    await human.click(field);
    await human.selectAll();
    await human.type(random.pick(QUERIES), { enter: true });
    await human.settle();
    await sleep(500);
    await human.think(2500);
    await human.scroll(random.integer(100, 500));
    await betweenSteps(human);
    if (!await human.clickOne(SEARCH_RESULTS)) await human.followLink();
    await human.settle();
    await readPage(human, 4000);
  }
}

const DASHBOARD_STEPS = {
  async hover(human) {
    const chart = await human.one('canvas, svg, .chart, .card');
    const box = chart && await human.box(chart);
    if (!box) return;
    for (let k = 0; k < 3; k += 1) {
      const x = box.x + box.width * human.random.uniform();
      await human.move(x, box.y + Math.min(box.height, 400) * human.random.uniform());
      await human.think(700);
    }
  },
  async menu(human) {
    if (!human.random.chance(0.4)) return;
    await human.followLink();
    await human.think(3000);
  },
  drop: (human) => human.clickOne(
    '[data-toggle=dropdown], [data-bs-toggle=dropdown], .dropdown-toggle',
  ),
  collapse: (human) => human.clickOne(
    '[data-card-widget=collapse], .collapse-link, [data-bs-toggle=collapse], [data-toggle=collapse]',
  ),
  scroll: (human) => human.scroll(human.random.integer(200, 800)),
  side: (human) => human.clickOne(
    '[data-widget=pushmenu], #sidebarToggle, #menu_toggle, .navbar-toggler, .nav-item.has-treeview > a',
  ),
  check: (human) => human.clickOne('input[type=checkbox], .icheck-primary'),
};

export async function dash(human) {
  const { random } = human;
  const steps = random.integer(5, 9);
  for (let k = 0; k < steps && !human.done(); k += 1) {
    const step = random.pick(['hover', 'menu', 'drop', 'collapse', 'scroll', 'scroll', 'side', 'check']);
    await DASHBOARD_STEPS[step](human);
    await human.think(2000);
    await betweenSteps(human);
  }
}

const SHOP_STEPS = {
  add: (human) => human.clickOne(
    '.btn-outline-dark, .btn.mt-auto, button.btn, .btn-primary, .btn-default',
  ),
  scroll: (human) => human.scroll(human.random.integer(200, 900)),
  nav: (human) => human.clickOne('.dropdown-toggle, .nav-link, .nav-tabs a'),
  async qty(human) {
    const field = await human.one('#inputQuantity, input[type=number], select');
    if (!field) return;
    await human.click(field);
    await human.selectAll();
    await human.type(String(human.random.integer(2, 9)));
  },
  open: (human) => human.clickOne(
    '.card-img-top, .product-image-thumb, img, .color-option, .btn-group label',
  ),
};

export async function shop(human) {
  const { random } = human;
  const steps = random.integer(4, 7);
  for (let k = 0; k < steps && !human.done(); k += 1) {
    await SHOP_STEPS[random.pick(['add', 'add', 'scroll', 'nav', 'qty', 'open'])](human);
    await human.think(1800);
    await betweenSteps(human);
  }
}
