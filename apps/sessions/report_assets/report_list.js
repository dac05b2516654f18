// Filters and the ranked list.
const PAGE = 60;
const ORDERS = [
  ["worth", "worth watching", null],
  ...SCORES.map((name) => [name, name, (number) => -(sessions[name][number] ?? -1)]),
  ["longest", "longest", (number) => -(sessions.seconds[number] ?? -1)],
  ["newest", "newest", (number) => sessions.time[number]],
];
let listed = PAGE;
const haystacks = sessions.id.map((id, number) =>
  [id, sessions.site[number], sessions.start[number], ...sessions.reasons[number]].join("\n").toLowerCase(),
);

function fillFilters() {
  const sites = [...new Set(sessions.site)].sort();
  byId("site").append(...sites.map((site) => make("option", "", site || "(no site)", { value: site || "(no site)" })));
  byId("cluster").append(...clusters.map(([number, name, many]) => make("option", "", `${name} (${many})`, { value: number })));
  byId("sort").append(...ORDERS.map(([key, name]) => make("option", "", name, { value: key })));
}

function readFilters() {
  for (const name of ["text", "site", "cluster", "sort"]) state[name] = byId(name).value;
  listed = PAGE;
  refresh();
}

function filtered() {
  const wanted = state.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (let number = 0; number < count; number++) {
    if (state.site && (sessions.site[number] || "(no site)") !== state.site) continue;
    if (state.cluster && String(sessions.cluster[number]) !== state.cluster) continue;
    if (wanted.every((word) => haystacks[number].includes(word))) found.push(number);
  }
  const key = ORDERS.find(([name]) => name === state.sort)?.[2];
  if (state.sort === "newest") found.sort((a, b) => (key(a) < key(b) ? 1 : key(a) > key(b) ? -1 : a - b));
  else if (key) found.sort((a, b) => key(a) - key(b) || a - b);
  return found;
}

function factsOf(number) {
  const facts = [sessions.time[number], sessions.seconds[number] === null ? "" : clock(sessions.seconds[number])];
  for (const name of ["actions", "clicks", "pages"]) {
    const many = sessions[name]?.[number];
    if (many || many === 0) facts.push(`${many} ${many === 1 ? name.slice(0, -1) : name}`);
  }
  return facts.filter(Boolean).join(" · ");
}

function rowOf(number) {
  const item = make("li"), button = make("button", "row", null, { type: "button", "data-session": number });
  if (number === state.session) button.setAttribute("aria-current", "true");
  const head = make("span", "row-head");
  head.append(clusterMark(sessions.cluster[number]), words(titleOf(number), "strong"));
  const facts = make("span", "soft");
  facts.append(words(sessions.id[number]), ` · ${factsOf(number)}`);
  const meters = make("span", "meters");
  meters.append(...SCORES.map((name) => meter(name, number)));
  const reasons = sessions.reasons[number];
  button.append(head, facts);
  if (reasons.length) button.append(words(reasons.slice(0, 2).join(" · "), "reason"));
  button.append(meters);
  button.addEventListener("click", () => choose(number, true));
  item.append(button);
  return item;
}

function refreshList() {
  const shown = state.visible.slice(0, listed), left = state.visible.length - shown.length;
  byId("list").replaceChildren(...shown.map(rowOf));
  const all = state.visible.length === count;
  byId("shown").textContent = all ? `${count} in all` : `${state.visible.length} of ${count}`;
  byId("more").hidden = left <= 0;
  byId("more").textContent = `Show ${Math.min(left, PAGE)} more of ${left}`;
  if (!state.visible.length) byId("list").append(make("li", "empty", "No session is like that. Clear the filters to see all."));
}

function markListed() {
  for (const button of byId("list").querySelectorAll("button.row")) {
    if (Number(button.dataset.session) === state.session) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function refresh() {
  state.visible = filtered();
  refreshMap();
  refreshList();
}

byId("filters").addEventListener("input", readFilters);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("reset", () => setTimeout(readFilters));
byId("more").addEventListener("click", () => {
  const first = listed;
  listed += PAGE;
  refreshList();
  byId("list").children[first]?.firstChild.focus();
});
