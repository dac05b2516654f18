// The replay of the chosen session, in rrweb-player. What lies beside the page is a script that calls sessionReplay.
const CONTROLS = 80, MOST_LOADED = 3;
const box = byId("replay");
const replay = { player: null, number: -1, start: 0, windows: [], window: 0, seconds: 0, waiting: null };
const loaded = new Map();

const note = (text) => (byId("replay-note").textContent = text);

function stopReplay() {
  if (replay.player) {
    replay.player.pause();
    replay.player.getReplayer()?.destroy?.();
    replay.player.$destroy();
  }
  Object.assign(replay, { player: null, windows: [], window: 0, seconds: 0, waiting: null });
  box.replaceChildren();
  byId("windows").hidden = true;
}

window.sessionReplay = (number, id, packed) => {
  if (sessions.id[number] === id) loaded.set(number, packed);
};

function besideReplay(number) {
  return new Promise((resolve, reject) => {
    if (loaded.has(number)) return resolve(loaded.get(number));
    const script = make("script", "", null, { src: `replays/${number}.js` });
    const file = `replays/${number}.js`;
    script.onload = () => {
      script.remove();
      const packed = loaded.get(number);
      if (loaded.size > MOST_LOADED) loaded.delete(loaded.keys().next().value);
      packed ? resolve(packed) : reject(new Error(`${file} belongs to another report. Keep each report in its own folder.`));
    };
    script.onerror = () => {
      script.remove();
      reject(new Error(`The replay is in ${file}, which is not beside this page. Keep the folder together.`));
    };
    document.head.append(script);
  });
}

async function showReplay(number) {
  stopReplay();
  replay.number = number;
  if (!sessions.replay[number]) return note(sessions.no_replay[number] || "This session has no replay.");
  note("Opening the replay …");
  try {
    const packed = sessions.replay[number] === "inside" ? byId(`replay-${number}`).textContent : await besideReplay(number);
    const { start, windows } = await unpacked(packed);
    if (replay.number !== number) return; // another one was chosen meanwhile
    Object.assign(replay, { start, windows });
    const wanted = replay.waiting;
    showWindow(wanted === null ? 0 : windowAt(wanted));
    if (wanted !== null) jumpTo(wanted);
    note("");
  } catch (error) {
    if (replay.number === number) note(error.message);
  }
}

function sizeOf(events) {
  const meta = events.find((event) => event.type === 4)?.data ?? {};
  const width = box.clientWidth, shape = meta.height / meta.width;
  const height = Math.min(width * (shape > 0 ? shape : 0.6), window.innerHeight * 0.37);
  return { width, height: Math.max(160, Math.round(height)) };
}

function showWindow(number) {
  if (replay.player) {
    replay.player.pause();
    replay.player.$destroy();
  }
  box.replaceChildren();
  replay.window = number;
  const events = replay.windows[number];
  replay.player = new rrwebPlayer.Player({
    target: box,
    props: { events, ...sizeOf(events), autoPlay: false, skipInactive: true, showController: true, showWarning: false },
  });
  replay.player.addEventListener("ui-update-current-time", ({ payload }) => {
    replay.seconds = (events[0].timestamp + payload - replay.start) / 1000;
    movePlayhead(replay.seconds);
  });
  const frame = box.querySelector("iframe");
  frame.title = "The recorded page";
  frame.tabIndex = -1;
  frame.inert = true;
  const names = ["Play or pause", ...[1, 2, 4, 8].map((speed) => `Speed ${speed}`), "Full screen"];
  box.querySelectorAll(".rr-controller__btns button").forEach((button, place) => button.setAttribute("aria-label", names[place] ?? ""));
  const buttons = replay.windows.map((_, place) => {
    const button = make("button", "", `Window ${place + 1}`, { type: "button", "aria-pressed": String(place === number) });
    button.addEventListener("click", () => showWindow(place));
    return button;
  });
  byId("windows").replaceChildren(...buttons);
  byId("windows").hidden = buttons.length < 2;
}

// The window in which something happened last before a moment.
function windowAt(seconds) {
  const time = replay.start + seconds * 1000;
  const ages = replay.windows.map((events) => {
    const past = events.findLast((event) => event.timestamp <= time + 1);
    return past ? time - past.timestamp : events[0].timestamp - time + 1e12;
  });
  return ages.indexOf(Math.min(...ages));
}

function jumpTo(seconds) {
  if (!replay.player) {
    replay.waiting = seconds;
    return;
  }
  const wanted = windowAt(seconds);
  if (wanted !== replay.window) showWindow(wanted);
  const first = replay.windows[replay.window][0].timestamp;
  replay.player.goto(Math.max(0, replay.start + seconds * 1000 - first));
}

let resizing = 0;
new ResizeObserver(() => {
  clearTimeout(resizing);
  resizing = setTimeout(() => {
    if (!replay.player) return;
    replay.player.$set(sizeOf(replay.windows[replay.window]));
    replay.player.triggerResize();
  }, 120);
}).observe(box);
