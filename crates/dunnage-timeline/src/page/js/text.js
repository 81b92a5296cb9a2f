// Words, numbers and elements. All times are microseconds since the recording began.

// The kinds, as `What` numbers them. `short` is for where there is little room.
const KINDS = [
  { key: "running", short: "runs", text: "running" },
  { key: "gil-running", short: "waits for the GIL", text: "waiting for the GIL, holder running" },
  { key: "gil-throttled", short: "waits for a frozen GIL", text: "waiting for the GIL, holder throttled" },
  { key: "gil-runnable", short: "waits for the GIL", text: "waiting for the GIL, holder waiting for a CPU" },
  { key: "gil-unknown", short: "waits for the GIL", text: "waiting for the GIL" },
  { key: "throttled", short: "throttled", text: "throttled" },
  { key: "run-queue", short: "waits for a CPU", text: "waiting for a CPU" },
  { key: "sleeping", short: "sleeps", text: "sleeping" },
  { key: "unknown", short: "unknown", text: "unknown" },
];
const RUNNING = 0, GIL_THROTTLED = 2, THROTTLED = 5, SLEEPING = 7, UNKNOWN = 8;

// From the bottom of a lane upwards: what mattered most lies on top.
const STACK = [RUNNING, 1, 4, 3, 6, UNKNOWN, THROTTLED, GIL_THROTTLED];

// Three digits that mean something, with their unit.
function duration(us) {
  if (us < 1) return "0";
  if (us < 999.5) return `${Math.round(us)} µs`;
  const ms = us / 1000;
  if (ms < 9.995) return `${ms.toFixed(2)} ms`;
  if (ms < 99.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 9.995) return `${s.toFixed(2)} s`;
  if (s < 59.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}

// A moment of the recording, as exact as a step of `step` needs: in minutes from the second one on.
function moment(us, step = 1000) {
  const digits = step >= 1e6 ? 0 : step >= 1e5 ? 1 : step >= 1e4 ? 2 : step >= 1e3 ? 3 : 6;
  const s = us / 1e6;
  if (s < 120) return `${s.toFixed(digits)} s`;
  const minutes = Math.floor(s / 60);
  return `${minutes}:${(s - 60 * minutes).toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}

function percent(share) {
  const value = share * 100;
  if (value > 0 && value < 0.95) return "< 1 %";
  return `${Math.round(value)} %`;
}

function bytesText(bytes) {
  if (bytes < 1e6) return `${Math.round(bytes / 1e3)} KB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

// A new element: texts from outside only ever become text nodes.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  return dress(element, attributes, children);
}

function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  return dress(element, attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

const byId = (id) => document.getElementById(id);

// A small square with a kind's colour and pattern.
function swatch(kind) {
  return makeSvg("svg", { class: "swatch", viewBox: "0 0 14 14", "aria-hidden": "true" },
    makeSvg("rect", { class: `k-${KINDS[kind].key}`, width: 14, height: 14, rx: 3 }));
}

// A bar of parts, each as wide as its share of `total`.
function partsBar(parts, total) {
  const svg = makeSvg("svg", { class: "parts", "aria-hidden": "true" });
  let x = 0;
  for (const kind of [...STACK, SLEEPING].reverse()) {
    const width = total > 0 ? (parts[kind] / total) * 100 : 0;
    if (width < 0.05) continue;
    svg.append(makeSvg("rect", { class: `k-${KINDS[kind].key}`, x: `${x.toFixed(2)}%`, width: `${width.toFixed(2)}%`, height: "100%" }));
    x += width;
  }
  return svg;
}

