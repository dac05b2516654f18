// The plan of a session: everything that is drawn before the browser starts, from (seed, index) alone.
import { drawAccount, drawName } from './invented_people.mjs';
import { RECORDER_CONFIGS } from './recorder_configs.mjs';
import { SeededRandom } from './seeded_random.mjs';
import { SITES } from './sites.mjs';

// Key in the site table -> label in labels.csv. Task = index mod 10, so tasks are balanced.
export const TASK_LABELS = {
  browse: 'browse-docs', search: 'search', form: 'fill-form', login: 'login', table: 'work-table',
  todo: 'todo-app', widgets: 'use-widgets', dash: 'explore-dashboard', shop: 'shop', code: 'edit-code',
};
const TASK_KEYS = Object.keys(TASK_LABELS);

// Behaviour = (index div 10) mod 16: 8 engaged, 3 frustrated, 2 distracted, 2 bot, 1 bounce.
export const BEHAVIOURS = [
  'engaged', 'engaged', 'engaged', 'frustrated', 'engaged', 'distracted', 'engaged', 'bot',
  'engaged', 'frustrated', 'engaged', 'distracted', 'engaged', 'frustrated', 'bounce', 'bot',
];

const DESKTOP_VIEWPORTS = [[1920, 1080], [1440, 900], [1366, 768], [1280, 720], [1536, 864]];
const PHONE_VIEWPORT = [390, 844];
const FIRST_DATE_MS = Date.UTC(2024, 0, 1); // invented dates lie within 6e10 ms (695 days) after it

// Returns the plan of session `index`, or null when `filters` leave no site for its task.
// filters: {hosts, licences, configs}, each a list or undefined. A filter never changes how many
// numbers are drawn; without filters the plan of (seed, index) is always the same.
export function drawPlan(seed, index, filters = {}) {
  const random = new SeededRandom(seed * 1000003 + index * 7919 + 17);
  const task = TASK_KEYS[index % TASK_KEYS.length];
  const behaviour = BEHAVIOURS[Math.floor(index / TASK_KEYS.length) % BEHAVIOURS.length];
  const allows = (list, value) => !list || list.includes(value);
  const hosts = Object.keys(SITES).filter((host) => SITES[host][task]
    && allows(filters.hosts, host) && allows(filters.licences, SITES[host].licence));
  const configs = RECORDER_CONFIGS.filter((config) => allows(filters.configs, config.name));
  if (!hosts.length || !configs.length) return null;

  const site = random.pick(hosts);
  const start = random.pick(SITES[site][task]);
  const canTouch = behaviour !== 'bot' && task !== 'code' && task !== 'widgets';
  const touch = canTouch && random.chance(0.14);
  const [width, height] = touch ? PHONE_VIEWPORT : random.pick(DESKTOP_VIEWPORTS);
  const config = random.pick(configs);
  const name = drawName(random);
  return {
    seed, index, random, task, behaviour, site, start, touch, width, height, config,
    realtime: random.chance(0.07), // sleeps through its pauses instead of skipping them
    pace: Math.exp(0.25 * random.normal()), // factor on every pause of this person
    startTimeMs: FIRST_DATE_MS + Math.floor(random.uniform() * 6e10),
    person: { ...name, ...drawAccount(random, name) },
  };
}
