// Filling one form field as the invented person would, by its type and its names.
import { CITIES, WORDS } from './invented_people.mjs';

// Runs in the page.
function describeField(element) {
  const label = element.labels?.[0]?.textContent || '';
  const names = [element.name, element.id, element.placeholder, label];
  return {
    type: (element.type || '').toLowerCase(), tag: element.tagName,
    names: names.map((name) => name || '').join(' ').toLowerCase(),
  };
}

// [does it fit, what to write]: the first rule that fits decides.
const RULES = [
  [(f) => f.type === 'email' || /mail/.test(f.names), ({ person }) => person.email],
  [(f) => f.type === 'password' || /pass/.test(f.names), ({ person }) => person.password],
  [(f) => f.type === 'tel' || /phone|mobile|tel/.test(f.names), ({ person }) => person.phone],
  [(f) => f.type === 'number', ({ random }) => String(random.integer(1, 99))],
  [(f) => f.type === 'date', ({ random }) => `0${random.integer(1, 9)}${random.integer(10, 28)}1987`],
  [(f) => f.type === 'url', ({ person }) => `http://${person.last.toLowerCase()}.example`],
  [(f) => /first/.test(f.names), ({ person }) => person.first],
  [(f) => /last|sur/.test(f.names), ({ person }) => person.last],
  [(f) => /name|user/.test(f.names), ({ person }) => `${person.first} ${person.last}`],
  [(f) => /zip|post/.test(f.names), ({ random }) => String(random.integer(10000, 99999))],
  [(f) => /city/.test(f.names), ({ random }) => random.pick(CITIES)],
  [(f) => /address|street/.test(f.names), ({ random }) => `${random.integer(1, 200)} Mill Lane`],
  [(f) => /date|birth/.test(f.names), () => '12/04/1987'],
  [(f) => f.tag === 'TEXTAREA' || /message|comment|desc/.test(f.names), ({ random }) => (
    Array.from({ length: random.integer(4, 9) }, () => random.pick(WORDS)).join(' '))],
  [() => true, ({ random }) => (
    random.pick(WORDS) + (random.chance(0.4) ? ` ${random.pick(WORDS)}` : ''))],
];
const NOT_TYPED_INTO = ['file', 'submit', 'button', 'image', 'hidden', 'color'];

async function chooseOption(human, handle) {
  await human.click(handle);
  await human.page.keyboard.press('Escape').catch(() => {});
  const count = await handle.evaluate((element) => element.options.length);
  if (count > 1) {
    const index = human.random.integer(1, count - 1);
    await handle.selectOption({ index }, { timeout: 800 }).catch(() => {});
  }
  await human.think(500);
}

async function dragRange(human, handle) {
  const box = await human.box(handle);
  if (!box) return;
  const anywhere = () => box.x + box.width * human.random.uniform();
  const middle = box.y + box.height / 2;
  await human.drag(anywhere(), middle, anywhere(), middle);
}

export async function fillField(human, handle) {
  const { random, plan: { person } } = human;
  const field = await handle.evaluate(describeField).catch(() => null);
  if (!field || NOT_TYPED_INTO.includes(field.type)) return;
  if (field.tag === 'SELECT') await chooseOption(human, handle);
  else if (/checkbox|radio/.test(field.type)) await human.click(handle);
  else if (field.type === 'range') await dragRange(human, handle);
  else if (await human.click(handle)) {
    const [, value] = RULES.find(([fits]) => fits(field));
    await human.type(value({ person, random }));
    await human.think(500);
    if (!human.isBot && random.chance(0.3)) await human.page.keyboard.press('Tab');
  }
}
