// Tasks that are mostly doing: forms, login, tables, to-do lists, code. See tasks.mjs.
import { betweenSteps } from './behaviours.mjs';
import { fillField } from './form_fields.mjs';
import { CODE_LINES, TABLE_FILTERS, TODOS, WORDS } from './invented_people.mjs';
import { sleep } from './human.mjs';

const FORM_AREAS = ['main', 'form', '.card', '.x_panel'];
const FORM_FIELDS = ['.content-wrapper input', ...FORM_AREAS.flatMap(
  (area) => ['input', 'select', 'textarea'].map((tag) => `${area} ${tag}`),
)].join(', ');
const SUBMIT = 'form button[type=submit], form input[type=submit], button.btn-primary, .btn-success, '
  + 'a.btn-primary, .btn-user';

export async function form(human) {
  const { random } = human;
  let fields = await human.all(FORM_FIELDS);
  if (!fields.length) fields = await human.all('input, select, textarea');
  const first = random.integer(0, Math.max(0, fields.length - 9));
  await human.think(2500);
  let filled = 0;
  for (const field of fields.slice(first, first + random.integer(5, 9))) {
    if (human.done()) break;
    await fillField(human, field);
    filled += 1;
    if (filled % 3 === 0) await betweenSteps(human);
  }
  await betweenSteps(human);
  if (human.plan.behaviour === 'frustrated' && !random.chance(0.4)) return; // gives up
  await human.clickOne(SUBMIT);
  await human.settle();
  await human.think(2000);
}

async function enterAccount(human, attempt) {
  const { random, plan: { person } } = human;
  for (const field of await human.all('input:not([type=checkbox]):not([type=hidden])', 3)) {
    await human.click(field);
    await human.selectAll();
    const type = await field.evaluate((element) => element.type).catch(() => '');
    const ending = type === 'password' && attempt ? random.integer(1, 9) : '';
    await human.type(type === 'password' ? person.password + ending : person.email);
    await human.think(500);
    if (human.done()) break;
  }
}

export async function login(human) {
  const { random } = human;
  const attempts = human.plan.behaviour === 'frustrated' ? 3 : random.integer(1, 2);
  for (let attempt = 0; attempt < attempts && !human.done(); attempt += 1) {
    await enterAccount(human, attempt);
    if (random.chance(0.4)) {
      await human.clickOne('input[type=checkbox], .form-check, .icheck-primary label');
    }
    await human.clickOne('button[type=submit], .btn-primary, .btn-user, a.btn, .submit');
    await human.settle();
    await human.think(1500);
    await betweenSteps(human);
    if (random.chance(0.3)) {
      await human.clickOne(
        'a[href*=forgot], a[href*=password], a[href*=register], a[href*=sign-up]',
      );
      await human.settle();
      await human.think(2000);
    }
  }
}

const TABLE_STEPS = {
  sort: (human) => human.clickOne('thead th, th, .table-sort'),
  async filter(human) {
    const field = await human.one(
      'input[type=search], .dataTables_filter input, input.datatable-input, .form-control',
    );
    if (!field) return;
    await human.click(field);
    await human.selectAll();
    await human.type(human.random.pick(TABLE_FILTERS));
  },
  page: (human) => human.clickOne('.pagination a, .page-link, .paginate_button, '
    + '.datatable-pagination a, .datatable-pagination button'),
  row: (human) => human.clickOne('tbody td'),
  async length(human) {
    const field = await human.one('select');
    if (field) await fillField(human, field);
  },
  scroll: (human) => human.scroll(human.random.integer(200, 700)),
};

export async function table(human) {
  const { random } = human;
  const steps = random.integer(5, 9);
  for (let k = 0; k < steps && !human.done(); k += 1) {
    const step = random.pick(['sort', 'sort', 'filter', 'page', 'page', 'row', 'scroll', 'length']);
    await TABLE_STEPS[step](human);
    await human.think(1600);
    await betweenSteps(human);
  }
}

const NEW_TODO = '#new-todo, .new-todo, input[placeholder*="needs to be done"]';

// The buttons of an entry show only while the pointer is on it.
async function onHoveredTodo(human, action) {
  const entry = await human.one('#todo-list li, .todo-list li');
  const box = entry && await human.box(entry);
  if (!box) return;
  await human.move(box.x + box.width / 2, box.y + box.height / 2);
  await action();
}

const TODO_STEPS = {
  toggle: (human) => human.clickOne('#todo-list .toggle, .todo-list .toggle'),
  filter: (human) => human.clickOne('#filters a, .filters a'),
  delete: (human) => onHoveredTodo(human, () => human.clickOne(
    '#todo-list li:hover .destroy, .todo-list li:hover .destroy',
  )),
  edit: (human) => onHoveredTodo(human, async () => {
    const label = await human.one('#todo-list label, .todo-list label');
    if (!label) return;
    await human.click(label, { double: true });
    await human.type(` ${human.random.pick(WORDS)}`, { enter: true });
  }),
  clear: (human) => human.clickOne('#clear-completed, .clear-completed'),
  all: (human) => human.clickOne('#toggle-all, .toggle-all, label[for=toggle-all]'),
};

export async function todo(human) {
  const { random } = human;
  const entries = random.integer(3, 5);
  for (let k = 0; k < entries && !human.done(); k += 1) {
    const field = await human.one(NEW_TODO);
    if (!field) break;
    if (k === 0 || random.chance(0.3)) await human.click(field);
    await human.type(random.pick(TODOS), { enter: true });
    await human.think(900);
    if (k === 1) await betweenSteps(human);
  }
  const steps = random.integer(3, 6);
  for (let k = 0; k < steps && !human.done(); k += 1) {
    const step = random.pick(['toggle', 'toggle', 'filter', 'delete', 'edit', 'clear', 'all']);
    await TODO_STEPS[step](human);
    await human.think(1200);
    await betweenSteps(human);
  }
}

export async function code(human) {
  const { random, page: { keyboard } } = human;
  await human.think(1500);
  const editor = await human.page.$('.ace_content, #editor');
  const box = editor && await human.box(editor);
  if (!box) return;
  const clickIn = async (width, height, options) => {
    await human.move(box.x + random.integer(60, width), box.y + random.integer(30, height));
    await human.press(human.x, human.y, options);
  };
  await clickIn(300, 200);
  if (random.chance(0.5)) await keyboard.press('End');
  const lines = random.integer(2, 4);
  for (let line = 0; line < lines && !human.done(); line += 1) {
    await human.type(random.pick(CODE_LINES), { enter: true });
    await human.think(1500);
    if (random.chance(0.3)) {
      for (let undone = 0; undone < random.integer(2, 6); undone += 1) {
        await keyboard.press('Control+z');
        await sleep(60);
      }
    }
    if (random.chance(0.4)) await clickIn(500, 400, { double: random.chance(0.4) });
    if (random.chance(0.3)) await human.scroll(random.integer(100, 400));
    await betweenSteps(human);
  }
}
