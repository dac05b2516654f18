// The time line of a session: a bar an action, and the same moments as buttons.
const LOW = 150, LEFT = 34, RIGHT = 8, ABOVE = 8, BELOW = 20, BEST = 6;
const timeline = byId("timeline");
const line = { moments: [], seconds: 1, bits: 1, width: 600, chosen: -1 };

function setMoments(moments, seconds) {
  line.moments = moments.map(([at, action, target, bits, flags]) => ({ at, action, target, bits, flags }));
  line.seconds = Math.max(seconds ?? 0, ...line.moments.map((moment) => moment.at), 0.1);
  line.bits = Math.max(1, ...line.moments.map((moment) => moment.bits ?? 0));
  line.chosen = -1;
  byId("moment").replaceChildren();
  drawTimeline();
  const numbers = line.moments.map((_, number) => number);
  const worst = numbers
    .filter((number) => line.moments[number].flags.length || (line.moments[number].bits ?? 0) > 0)
    .sort((a, b) => flagged(b) - flagged(a) || (line.moments[b].bits ?? 0) - (line.moments[a].bits ?? 0))
    .slice(0, BEST)
    .sort((a, b) => a - b);
  byId("moments").replaceChildren(...worst.map(momentItem));
  const all = byId("all-moments");
  all.open = false;
  all.lastElementChild.replaceChildren();
  all.querySelector("summary").textContent = `All ${numbers.length} actions`;
  byId("timeline-part").hidden = !numbers.length;
}

const flagged = (number) => Math.min(1, line.moments[number].flags.length);
const lineX = (seconds) => LEFT + (seconds / line.seconds) * (line.width - LEFT - RIGHT);
const lineY = (bits) => LOW - BELOW - (bits / line.bits) * (LOW - BELOW - ABOVE);

function drawTimeline() {
  line.width = Math.max(260, byId("timeline-box").clientWidth);
  timeline.setAttribute("viewBox", `0 0 ${line.width} ${LOW}`);
  timeline.setAttribute("height", LOW);
  const parts = [];
  for (const bits of [0, line.bits / 2, line.bits]) {
    parts.push(draw("line", { class: "grid", x1: LEFT, x2: line.width - RIGHT, y1: lineY(bits), y2: lineY(bits) }));
    parts.push(draw("text", { x: LEFT - 5, y: lineY(bits) + 4, class: "end" }, bits.toFixed(bits < 10 ? 1 : 0)));
  }
  const steps = line.width < 420 ? 3 : 6;
  for (let step = 0; step <= steps; step++) {
    const at = (line.seconds * step) / steps;
    const place = step === 0 ? "start" : step === steps ? "end" : "middle";
    parts.push(draw("text", { x: lineX(at), y: LOW - 5, class: place }, clock(at)));
  }
  line.moments.forEach((moment, number) => {
    const kind = `bar${moment.flags.length ? " flagged" : ""}${number === line.chosen ? " chosen" : ""}`;
    const y = lineY(moment.bits ?? 0);
    const bar = draw("rect", { class: kind, x: lineX(moment.at) - 1.5, y: Math.min(y, LOW - BELOW - 3), width: 3, height: Math.max(3, LOW - BELOW - y), "data-moment": number });
    parts.push(bar);
    if (moment.flags.length) parts.push(draw("circle", { class: "flag", cx: lineX(moment.at), cy: Math.min(y, LOW - BELOW - 3), r: 4 }));
  });
  parts.push(draw("line", { id: "playhead", class: "playhead", x1: lineX(0), x2: lineX(0), y1: ABOVE, y2: LOW - BELOW }));
  timeline.replaceChildren(...parts);
  timeline.setAttribute("aria-valuemax", Math.max(0, line.moments.length - 1));
}

function movePlayhead(seconds) {
  const head = byId("playhead"), x = lineX(Math.max(0, Math.min(seconds, line.seconds)));
  head?.setAttribute("x1", x);
  head?.setAttribute("x2", x);
}

function momentText(moment) {
  const bits = moment.bits === null ? "" : ` · ${moment.bits.toFixed(1)} bits`;
  const parts = [make("span", "time", clock(moment.at)), words(moment.action)];
  for (const flag of moment.flags) parts.push(words(flag, "tag"));
  parts.push(make("span", "soft", bits));
  return parts;
}

function momentItem(number) {
  const item = make("li"), button = make("button", "row moment", null, { type: "button", "data-moment": number });
  button.append(...momentText(line.moments[number]));
  button.addEventListener("click", () => goTo(number));
  item.append(button);
  return item;
}

// Chooses a moment, and takes the replay there.
function goTo(number) {
  if (!line.moments[number]) return;
  line.chosen = number;
  const moment = line.moments[number];
  for (const bar of timeline.querySelectorAll(".bar")) bar.classList.toggle("chosen", Number(bar.dataset.moment) === number);
  byId("moment").replaceChildren(...momentText(moment));
  timeline.setAttribute("aria-valuenow", number);
  timeline.setAttribute("aria-valuetext", `${clock(moment.at)} ${moment.action}`);
  movePlayhead(moment.at);
  jumpTo(moment.at);
}

function nearestMoment(seconds) {
  let best = -1;
  line.moments.forEach((moment, number) => {
    if (best < 0 || Math.abs(moment.at - seconds) < Math.abs(line.moments[best].at - seconds)) best = number;
  });
  return best;
}

// Where words say a whole second, the first action of that second is meant.
function goToSecond(seconds) {
  const inside = line.moments.findIndex((moment) => moment.at >= seconds && moment.at < seconds + 1);
  goTo(inside >= 0 ? inside : nearestMoment(seconds));
}

timeline.addEventListener("click", (event) => {
  const box = timeline.getBoundingClientRect();
  const along = ((event.clientX - box.x) * line.width) / box.width - LEFT;
  const own = event.target.dataset.moment;
  goTo(own === undefined ? nearestMoment((along / (line.width - LEFT - RIGHT)) * line.seconds) : Number(own));
});
timeline.addEventListener("keydown", (event) => {
  const last = line.moments.length - 1;
  const to = { ArrowLeft: line.chosen - 1, ArrowRight: line.chosen + 1, Home: 0, End: last }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  goTo(Math.max(0, Math.min(to, last)));
});
byId("earlier").addEventListener("click", () => goTo(Math.max(0, line.chosen - 1)));
byId("later").addEventListener("click", () => goTo(Math.min(line.moments.length - 1, line.chosen + 1)));
byId("all-moments").addEventListener("toggle", (event) => {
  const list = event.target.lastElementChild;
  if (event.target.open && !list.children.length) list.append(...line.moments.map((_, number) => momentItem(number)));
});
new ResizeObserver(() => {
  if (Math.abs(line.width - byId("timeline-box").clientWidth) > 2 && line.moments.length) {
    drawTimeline();
    movePlayhead(replay.seconds);
  }
}).observe(byId("timeline-box"));
