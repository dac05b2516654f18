// The map: a point a session. The nearest point within reach of pointer or finger is meant.
const WIDTH = 640, HEIGHT = 340, EDGE = 18, REACH = 22;
const map = byId("map"), tip = byId("tip");
const view = { x: 0.5, y: 0.5, scale: 1 };
const marks = [];

function spread(values) {
  const known = values.filter((value) => value !== null);
  const low = -most(known.map((value) => -value), -Infinity), high = most(known, -Infinity);
  return values.map((value) => (value === null || high === low ? 0.5 : (value - low) / (high - low)));
}
const across = spread(sessions.x), down = spread(sessions.y).map((value) => 1 - value);

function spot(number) {
  return [
    WIDTH / 2 + (across[number] - view.x) * view.scale * (WIDTH - 2 * EDGE),
    HEIGHT / 2 + (down[number] - view.y) * view.scale * (HEIGHT - 2 * EDGE),
  ];
}

function drawMap() {
  map.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  for (let number = 0; number < count; number++) {
    const { colour, shape } = clusterStyle(sessions.cluster[number]);
    marks[number] = draw("path", { d: shape, class: `point k${colour}`, "data-session": number });
  }
  map.replaceChildren(...marks.slice().reverse()); // the first ones of the ranking lie on top
  placeMarks();
  const legend = clusters.map(([number, name, many]) => {
    const item = make("li"), button = make("button", "", null, { type: "button", "data-cluster": number, "aria-pressed": "false" });
    button.append(clusterMark(number), words(name), make("span", "soft", ` ${many}`));
    button.addEventListener("click", () => {
      byId("cluster").value = state.cluster === String(number) ? "" : String(number);
      readFilters();
    });
    item.append(button);
    return item;
  });
  byId("legend").replaceChildren(...legend);
}

function placeMarks() {
  for (let number = 0; number < count; number++) {
    const [x, y] = spot(number);
    const grown = number === state.session ? " scale(1.9)" : "";
    marks[number].setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})${grown}`);
  }
}

function refreshMap() {
  const visible = new Set(state.visible);
  marks.forEach((mark, number) => {
    mark.classList.toggle("faint", !visible.has(number));
    mark.classList.toggle("chosen", number === state.session);
  });
  if (marks[state.session]) map.append(marks[state.session]);
  placeMarks();
  for (const button of byId("legend").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(state.cluster === button.dataset.cluster));
  }
}

function pointed(event) {
  const box = map.getBoundingClientRect();
  const zoom = Math.min(box.width / WIDTH, box.height / HEIGHT) || 1;
  const x = (event.clientX - box.x - (box.width - zoom * WIDTH) / 2) / zoom;
  const y = (event.clientY - box.y - (box.height - zoom * HEIGHT) / 2) / zoom;
  let best = -1, least = REACH / zoom;
  for (const number of state.visible) {
    const [px, py] = spot(number);
    const distance = Math.hypot(px - x, py - y);
    if (distance < least) [best, least] = [number, distance];
  }
  return best;
}

function showTip(number) {
  tip.hidden = number < 0;
  if (number < 0) return;
  const scores = SCORES.map((name) => `${name} ${points(name, number) ?? "–"}`).join(" · ");
  tip.replaceChildren(words(titleOf(number), "strong"), make("span", "", clusterNames.get(sessions.cluster[number])), make("span", "", scores));
  const [x, y] = spot(number), box = map.getBoundingClientRect(), zoom = box.width / WIDTH;
  tip.style.left = `${Math.max(0, Math.min(x * zoom, box.width - tip.offsetWidth))}px`;
  tip.style.top = `${y * zoom + (y > HEIGHT / 2 ? -tip.offsetHeight - 14 : 14)}px`;
}

function zoomBy(factor) {
  view.scale = Math.max(1, Math.min(40, view.scale * factor));
  if (state.session >= 0 && factor > 1) [view.x, view.y] = [across[state.session], down[state.session]];
  if (view.scale === 1) [view.x, view.y] = [0.5, 0.5];
  placeMarks();
}

// The visible session that lies next in a direction, seen from the chosen one.
function next(dx, dy) {
  const [x, y] = state.session >= 0 ? spot(state.session) : [WIDTH / 2, HEIGHT / 2];
  let best = -1, least = Infinity;
  for (const number of state.visible) {
    const [px, py] = spot(number);
    const along = (px - x) * dx + (py - y) * dy, aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
    if (number !== state.session && along > 0 && aside <= 2 * along && along + 2 * aside < least) {
      [best, least] = [number, along + 2 * aside];
    }
  }
  return best;
}

let dragged = null;
map.addEventListener("pointerdown", (event) => {
  dragged = { x: event.clientX, y: event.clientY, far: false };
  showTip(pointed(event));
});
map.addEventListener("pointermove", (event) => {
  if (dragged && event.buttons && view.scale > 1) {
    const zoom = map.getBoundingClientRect().width / WIDTH;
    const dx = event.clientX - dragged.x, dy = event.clientY - dragged.y;
    if (dragged.far || Math.hypot(dx, dy) > 5) {
      view.x -= dx / zoom / view.scale / (WIDTH - 2 * EDGE);
      view.y -= dy / zoom / view.scale / (HEIGHT - 2 * EDGE);
      dragged = { x: event.clientX, y: event.clientY, far: true };
      placeMarks();
    }
  }
  const number = pointed(event);
  map.classList.toggle("pointing", number >= 0);
  showTip(number);
});
map.addEventListener("pointerleave", () => showTip(-1));
map.addEventListener("click", (event) => {
  const number = dragged?.far ? -1 : pointed(event);
  dragged = null;
  if (number >= 0) choose(number);
});
map.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step) return;
  event.preventDefault();
  const number = next(...step);
  if (number >= 0) {
    choose(number);
    showTip(number);
  }
});
map.addEventListener("blur", () => showTip(-1));
byId("zoom-in").addEventListener("click", () => zoomBy(1.6));
byId("zoom-out").addEventListener("click", () => zoomBy(1 / 1.6));
byId("zoom-reset").addEventListener("click", () => zoomBy(0));
