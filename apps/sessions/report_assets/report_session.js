// The chosen session: its scores and reasons, its replay and time line, and what is most like it.
const FEW_REASONS = 3;

async function choose(number, go = false) {
  if (number === state.session) {
    if (go) showSession();
    return;
  }
  state.session = number;
  refreshMap();
  markListed();
  byId("open").hidden = false;
  byId("open").replaceChildren("Look at ", words(titleOf(number)), " ↓");
  byId("session-title").replaceChildren(words(titleOf(number)));
  const facts = [words(sessions.id[number]), ` · ${factsOf(number)} · `, clusterMark(sessions.cluster[number]), words(clusterNames.get(sessions.cluster[number]))];
  byId("session-facts").replaceChildren(...facts);
  byId("scores").replaceChildren(...SCORES.map((name) => {
    const item = make("li");
    item.append(meter(name, number));
    return item;
  }));
  const reasons = sessions.reasons[number].map(reasonItem);
  byId("reasons").replaceChildren(...reasons.slice(0, FEW_REASONS));
  byId("more-reasons").open = false;
  byId("more-reasons").hidden = reasons.length <= FEW_REASONS;
  byId("more-reasons").firstElementChild.textContent = `${reasons.length - FEW_REASONS} more`;
  byId("more-reasons").lastElementChild.replaceChildren(...reasons.slice(FEW_REASONS));
  byId("nearest").replaceChildren(...sessions.nearest[number].map(nearItem));
  byId("nearest").parentElement.hidden = !sessions.nearest[number].length;
  setMoments([], sessions.seconds[number]);
  rememberPlace(number);
  if (go) showSession();
  const shown = showReplay(number);
  const moments = await unpacked(momentsOf[number]);
  if (state.session === number) setMoments(moments, sessions.seconds[number]);
  await shown;
}

// A reason that says when, such as "... at 0:07", leads there.
function reasonItem(reason) {
  const item = make("li"), said = reason.match(/\bat ((?:\d+:)?\d+:\d\d)\b/);
  if (!said) {
    item.append(words(reason));
    return item;
  }
  const seconds = said[1].split(":").reduce((total, part) => 60 * total + Number(part), 0);
  const button = make("button", "link", null, { type: "button" });
  button.append(words(reason));
  button.addEventListener("click", () => goToSecond(seconds));
  item.append(button);
  return item;
}

function nearItem([number, cosine]) {
  const item = make("li"), button = make("button", "row near", null, { type: "button", "data-session": number });
  const facts = make("span", "soft");
  facts.append(words(sessions.id[number]), ` · ${factsOf(number)} · likeness ${cosine.toFixed(2)}`);
  const head = make("span", "row-head");
  head.append(clusterMark(sessions.cluster[number]), words(titleOf(number), "strong"));
  button.append(head, facts);
  button.addEventListener("click", () => choose(number, true));
  item.append(button);
  return item;
}

// On a phone the session stands below map and list.
function showSession() {
  const session = byId("session");
  session.focus({ preventScroll: true });
  if (getComputedStyle(document.querySelector("main")).gridTemplateColumns.split(" ").length < 2) session.scrollIntoView();
  else session.scrollTop = 0;
}

byId("open").addEventListener("click", showSession);
byId("back").addEventListener("click", () => {
  byId("list-part").scrollIntoView();
  (byId("list").querySelector("[aria-current]") ?? byId("list-title")).focus({ preventScroll: true });
});
