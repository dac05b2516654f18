// The ten tasks by their key in the site table. A task drives a Human over the page that is open, looks
// at `human.done()` between steps and stops early when the session's time is up.
import { bounce } from './behaviours.mjs';
import { browse, dash, readPage, search, shop } from './reading_tasks.mjs';
import { widgets } from './widget_task.mjs';
import { code, form, login, table, todo } from './working_tasks.mjs';

const TASKS = { browse, search, form, login, table, todo, widgets, dash, shop, code };

// Does what the plan says on the page that is open.
export async function visit(human) {
  const { plan, random } = human;
  if (plan.behaviour === 'bounce') {
    await bounce(human);
    return;
  }
  await TASKS[plan.task](human);
  if (!human.done() && random.chance(0.5)) await readPage(human, 2500);
}
