// Puts the page together.

function start() {
  const facts = JSON.parse(byId("facts").textContent);
  const data = decode(facts, decodeBase64(byId("data").textContent.trim()));
  // the packed text is of no more use
  byId("data").textContent = "";
  const shown = gatherShown(data, data.name);
  loadPalette();
  const chart = new Chart(byId("lanes"), data);
  addSeries(chart, data, shown);
  data.processes.forEach((process) => addProcess(chart, data, process));
  const { select, step } = makeChoice(chart, data, shown);
  wire(chart, data, shown, { select, step });
  fillLegend(data);
  const zoomTo = (request) => {
    select(request);
    byId("timeline").scrollIntoView({ block: "start", behavior: calm() ? "auto" : "smooth" });
  };
  const fill = () => {
    if (!shown.slowest.length) return;
    fillSlowest(data, shown, zoomTo);
    select(shown.slowest[0], { move: false, chosen: false });
    if (shown.marked) drawHistogram(shown);
  };
  fill();
  if (shown.slowest.length) drawWorst(data, shown, zoomTo);
  fillNames(data, shown, (name) => {
    Object.assign(shown, gatherShown(data, name));
    fill();
    chart.ask();
  });
  for (const [id, there] of [["requests", shown.slowest.length], ["worst", shown.slowest.length], ["latencies", shown.marked && shown.list.length]]) {
    byId(id).hidden = !there;
  }
  goToHash(chart);
  chart.draw();
  performance.mark("dunnage-drawn");
  document.documentElement.dataset.drawn = "";
  // what the tests ask
  window.dunnage = { data, chart, shown, decode, duration, moment };
}

// Which request is looked at.
function makeChoice(chart, data, shown) {
  let at = -1;
  const select = (request, { move = true, chosen = true } = {}) => {
    for (const { button } of shown.slowest) button?.removeAttribute("aria-current");
    request.button?.setAttribute("aria-current", "true");
    // before somebody has chosen, nothing is framed
    at = chosen ? shown.slowest.indexOf(request) : -1;
    chart.selected = chosen ? request : null;
    fillDetail(data, request);
    const margin = request.took * 0.15;
    if (move) chart.set(request.begin - margin, request.end + margin);
  };
  const step = (by) => {
    const last = Math.min(shown.slowest.length, LISTED) - 1;
    if (last < 0) return;
    const request = shown.slowest[Math.min(Math.max(at + by, 0), last)];
    select(request);
    request.button?.focus({ preventScroll: true });
  };
  return { select, step };
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// A range in the address, in seconds: `#t=12.3-12.9`. So a colleague can be sent to a place.
function goToHash(chart) {
  const range = /^#t=([\d.]+)-([\d.]+)$/.exec(location.hash);
  if (range) chart.set(range[1] * 1e6, range[2] * 1e6);
}

// The slowest request by itself, with those that it waited for: the picture to grasp first.
function drawWorst(data, shown, zoomTo) {
  const worst = shown.slowest[0];
  const process = data.processes[worst.process];
  const chart = new Chart(byId("worst-lanes"), data);
  byId("worst-title").textContent = `${shown.marked ? "The slowest request" : "The longest stall"} took ${duration(worst.took)}. This is what happened`;
  addRequest(chart, worst);
  if (data.quota?.limit) addQuota(chart, data.quota);
  if (process?.has_gil) addGil(chart, process, undefined);
  const thread = threadOf(data, worst);
  if (thread) {
    const held = new Float64Array(process.threads.length);
    const { track } = thread;
    for (let i = Math.max(0, track.find(worst.begin)); i < track.count && track.edges[i] < worst.end; i++) {
      if (track.holder[i] >= 0) held[track.holder[i]] += track.edges[i + 1] - track.edges[i];
    }
    const longest = held.reduce((best, time, i) => (time > held[best] ? i : best), 0);
    const holder = held[longest] > 0 ? process.threads[longest] : undefined;
    if (holder) addThread(chart, process, holder, undefined, "held the GIL longest");
    if (thread !== holder) addThread(chart, process, thread, undefined, shown.marked ? "was to do it" : "stalled");
  }
  chart.selected = worst;
  const margin = worst.took * 0.12;
  chart.set(worst.begin - margin, worst.end + margin);
  byId("worst-parts").replaceChildren(partsList(worst.parts, worst.took));
  chart.element.addEventListener("pointermove", (event) => chart.hover(event));
  chart.element.addEventListener("pointerleave", () => chart.leave());
  byId("worst-zoom").addEventListener("click", () => zoomTo(worst));
}

// All charts, for what changes them all: theme and print.
const repainted = [];

function wire(chart, data, shown, { select, step }) {
  repainted.push(chart);
  listenTo(chart);
  chart.clicked = (time, target) => {
    const lane = chart.lanes.find((lane) => lane.field.contains(target));
    if (!lane?.row.classList.contains("lane-requests")) return;
    const request = requestAt(chart, shown, time);
    if (request) select(request, { move: false });
    chart.ask();
  };
  let waiting;
  chart.moved = () => {
    const { from, to } = chart.range;
    const step = (to - from) / 100;
    const whole = to - from >= data.end;
    byId("range").textContent = whole ? duration(to) : `${moment(from, step)} to ${moment(to, step)} · ${duration(to - from)}`;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      const place = `#t=${(from / 1e6).toFixed(6)}-${(to / 1e6).toFixed(6)}`;
      history.replaceState(null, "", whole ? location.pathname + location.search : place);
    }, 300);
  };
  chart.moved();
  const help = byId("help");
  const showHelp = () => (help.open ? help.close() : help.showModal());
  listenToKeys(chart, { step, theme: changeTheme, help: showHelp, escape: () => chart.reset() });
  const buttons = { "zoom-in": () => chart.zoom(0.5), "zoom-out": () => chart.zoom(2), "zoom-all": () => chart.reset(), theme: changeTheme, "show-help": showHelp, "hide-help": () => help.close() };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
  window.addEventListener("hashchange", () => goToHash(chart));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.print = "";
    for (const details of document.querySelectorAll("details")) details.open = true;
    loadPalette();
    for (const chart of repainted) chart.draw(true);
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.print;
    repaint();
  });
}

function repaint() {
  loadPalette();
  for (const chart of repainted) chart.ask();
}

function changeTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  repaint();
}

function fillLegend(data) {
  const seen = new Float64Array(9);
  for (const process of data.processes) {
    for (const { track } of process.threads) track.total.forEach((part, kind) => (seen[kind] += part));
  }
  for (const kind of [...STACK.toReversed(), SLEEPING]) {
    if (seen[kind] > 0) byId("legend").append(make("li", {}, swatch(kind), KINDS[kind].text));
  }
}

try {
  start();
} catch (error) {
  const place = byId("failure");
  place.hidden = false;
  place.textContent = `The timeline cannot be drawn: ${error.message}. The findings above are complete.`;
  throw error;
}
