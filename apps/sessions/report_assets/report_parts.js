// Data of the page, and small parts that the other files are built of. Text of sessions only ever becomes textContent.
const data = JSON.parse(document.getElementById("report-data").textContent);
const momentsOf = JSON.parse(document.getElementById("report-moments").textContent);
const { sessions, clusters } = data;
const count = sessions.id.length;
const SCORES = ["struggle", "anomaly", "quality"].filter((name) => sessions[name]);
const COLOURS = 8;
const SHAPES = [
  "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
  "M-4.6-4.6h9.2v9.2h-9.2Z",
  "M0-6L5.6 4.4h-11.2Z",
  "M0-6.4L6.4 0L0 6.4L-6.4 0Z",
];
const clusterNames = new Map(clusters.map(([number, name]) => [number, name]));
const clusterPlaces = new Map(clusters.filter(([number]) => number >= 0).map(([number], place) => [number, place]));
const most = (values, start) => values.reduce((found, value) => (value > found ? value : found), start);
const tops = Object.fromEntries(SCORES.map((name) => [name, most(sessions[name], 1)]));
const state = { text: "", site: "", cluster: "", sort: "worth", session: -1, visible: [] };

const byId = (id) => document.getElementById(id);

function make(tag, className, text, attributes = {}) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// Words of a recording: their direction stays inside them.
const words = (text, className) => make("bdi", className, text);

function draw(tag, attributes = {}, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds ?? 0));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return (hours ? `${hours}:${two(Math.floor(whole / 60) % 60)}` : `${Math.floor(whole / 60)}`) + `:${two(whole % 60)}`;
}

function clusterStyle(number) {
  const place = clusterPlaces.get(number);
  if (place === undefined) return { colour: "none", shape: SHAPES[0] };
  return { colour: String(place % COLOURS), shape: SHAPES[Math.floor(place / COLOURS) % SHAPES.length] };
}

function clusterMark(number) {
  const { colour, shape } = clusterStyle(number);
  const mark = draw("svg", { class: "mark", viewBox: "-7 -7 14 14", "aria-hidden": "true" });
  mark.append(draw("path", { d: shape, class: `k${colour}` }));
  return mark;
}

// Page of a session without its scheme, as a title: "shop.test/cart".
function titleOf(number) {
  const start = sessions.start[number].replace(/^https?:\/\//, "").split(/[?#]/)[0];
  return start || sessions.site[number] || sessions.id[number];
}

const points = (name, number) => {
  const value = sessions[name][number];
  return value === null ? null : Math.round((100 * value) / tops[name]);
};

function meter(name, number) {
  const value = points(name, number);
  const shown = value === null ? "–" : String(value);
  const made = make("span", `meter ${name}`, null, { title: `${name}: ${shown} of 100` });
  const bar = make("i");
  bar.append(make("b"));
  bar.firstChild.style.width = `${value ?? 0}%`;
  made.append(make("span", "name", name), bar, make("span", "number", shown));
  return made;
}

async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}
