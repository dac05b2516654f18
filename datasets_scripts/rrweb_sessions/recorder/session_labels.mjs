// What labels.csv says of a session, and the files a session is written to.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

import { writeScreenshots } from './screenshots.mjs';
import { TASK_LABELS } from './session_plan.mjs';
import { SITES } from './sites.mjs';

const COLUMNS = [
  'file', 'session', 'task', 'behaviour', 'site', 'start', 'device', 'viewport', 'recorder_config',
  'realtime', 'windows', 'steps', 'pages', 'events', 'bytes_json', 'bytes_gz', 'duration_ms',
  'mouse_batches', 'clicks', 'inputs', 'scrolls', 'mutations', 'page_source_licence', 'rrweb', 'seed',
];
const EVENTS_A_LINE = 25;

// rrweb's numbers: event types, and sources of an incremental event.
const FULL_SNAPSHOT = 2;
const INCREMENTAL = 3;
const META = 4;
const MOUSE_INTERACTION = 2;
const CLICK = 2;

export const sessionName = (plan) => `s${plan.seed}_${String(plan.index).padStart(4, '0')}`;

// One window: a JSON array of events. Two windows: JSON lines {"window_id", "data": [events]}, the shape
// PostHog exports, a new line whenever the window changes.
function encode(emitted, plan, windows) {
  if (windows === 1) return JSON.stringify(emitted.map(({ event }) => event));
  const lines = [];
  for (const { window, event } of emitted) {
    const last = lines.at(-1);
    if (last?.window === window && last.data.length < EVENTS_A_LINE) last.data.push(event);
    else lines.push({ window, data: [event] });
  }
  return lines.map(({ window, data }) => JSON.stringify(
    { window_id: `${sessionName(plan)}_window_${window}`, data },
  )).join('\n').concat('\n');
}

function counts(events) {
  const incremental = events.filter((event) => event.type === INCREMENTAL).map((event) => event.data);
  const ofSource = (...sources) => incremental.filter((data) => sources.includes(data.source)).length;
  return {
    pages: events.filter((event) => event.type === META).length,
    events: events.length,
    duration_ms: events.at(-1).timestamp - events[0].timestamp,
    mouse_batches: ofSource(1, 6),
    clicks: incremental.filter(
      (data) => data.source === MOUSE_INTERACTION && data.type === CLICK,
    ).length,
    inputs: ofSource(5),
    scrolls: ofSource(3),
    mutations: ofSource(0),
  };
}

export class SessionFolder {
  constructor(folder, rrwebVersion) {
    this.folder = folder;
    this.rrwebVersion = rrwebVersion;
    this.labels = path.join(folder, 'labels.csv');
    fs.mkdirSync(folder, { recursive: true });
    if (!fs.existsSync(this.labels)) fs.writeFileSync(this.labels, `${COLUMNS.join(',')}\n`);
  }

  // A session that is there is never recorded again: this is how a run is resumed.
  holds(plan) {
    return ['.json.gz', '.jsonl.gz'].some(
      (ending) => fs.existsSync(path.join(this.folder, sessionName(plan) + ending)),
    );
  }

  // Writes the recording and its row; returns the file's name, or null when there was no snapshot.
  write(plan, { emitted, steps, screenshots = [] }) {
    const events = emitted.map(({ event }) => event);
    if (!events.some((event) => event.type === FULL_SNAPSHOT)) return null;
    // Before the session's own file, which says that all is there.
    const screens = path.join(this.folder, `${sessionName(plan)}_screens`);
    writeScreenshots(screens, screenshots, events[0].timestamp);
    const shift = plan.startTimeMs - events[0].timestamp; // to the invented date
    for (const event of events) event.timestamp += shift;

    const windows = new Set(emitted.map(({ window }) => window)).size;
    const text = encode(emitted, plan, windows);
    const packed = zlib.gzipSync(text, { level: 9 });
    const file = sessionName(plan) + (windows === 1 ? '.json.gz' : '.jsonl.gz');
    const row = {
      file, session: sessionName(plan), task: TASK_LABELS[plan.task], behaviour: plan.behaviour,
      site: plan.site, start: plan.start, device: plan.touch ? 'touch' : 'desktop',
      viewport: `${plan.width}x${plan.height}`, recorder_config: plan.config.name,
      realtime: Number(plan.realtime), windows, steps, ...counts(events),
      bytes_json: Buffer.byteLength(text), bytes_gz: packed.length,
      page_source_licence: SITES[plan.site].licence, rrweb: this.rrwebVersion, seed: plan.seed,
    };
    fs.writeFileSync(path.join(this.folder, file), packed);
    fs.appendFileSync(this.labels, `${COLUMNS.map((column) => row[column]).join(',')}\n`);
    return file;
  }
}
