// Lanes on one time axis. What is off the screen is not painted, and what is asked for between two frames is painted once.

class Chart {
  constructor(element, data) {
    this.element = element;
    this.data = data;
    this.range = { from: 0, to: data.end };
    this.lanes = [];
    this.selected = null;
    this.frames = 0;
    this.pending = false;
    this.cross = element.appendChild(make("div", { class: "cross", hidden: "" }));
    this.picked = element.appendChild(make("div", { class: "picked", hidden: "" }));
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const lane = this.lanes.find((lane) => lane.canvas === entry.target);
        if (lane) lane.visible = entry.isIntersecting;
      }
      this.ask();
    }, { rootMargin: "100px" });
    new ResizeObserver(() => this.ask()).observe(element);
  }

  // `paint(context, range, width, height, tinted)` in device pixels; `tell(time, share of the height)` gives a tooltip's lines.
  add({ name, note, title, kind, paint, tell, parent }) {
    const canvas = make("canvas", { role: "img", "aria-label": title || name });
    const label = make("div", { class: "name", title: title || name }, make("b", {}, name));
    if (note) label.append(make("small", {}, note));
    const field = make("div", { class: "field" }, canvas);
    const row = make("div", { class: `lane lane-${kind}` }, label, field);
    (parent || this.element).append(row);
    const lane = { canvas, field, row, paint, tell, visible: true };
    this.lanes.push(lane);
    this.seen.observe(canvas);
    return lane;
  }

  // Moves to a stretch of time: never beyond the recording, never below 50 µs.
  set(from, to) {
    const all = this.data.end;
    const length = Math.min(Math.max(to - from, Math.min(50, all)), all);
    let start = (from + to) / 2 - length / 2;
    start = Math.min(Math.max(start, 0), all - length);
    this.range = { from: start, to: start + length };
    this.ask();
    this.moved?.();
  }

  zoom(factor, at = (this.range.from + this.range.to) / 2) {
    const { from, to } = this.range;
    this.set(at - (at - from) * factor, at + (to - at) * factor);
  }

  pan(share) {
    const by = (this.range.to - this.range.from) * share;
    const clamped = Math.min(Math.max(by, -this.range.from), this.data.end - this.range.to);
    this.set(this.range.from + clamped, this.range.to + clamped);
  }

  reset() {
    this.set(0, this.data.end);
  }

  ask() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.draw();
    });
  }

  draw(everything = false) {
    this.frames++;
    const columns = new Map();
    for (const lane of this.lanes) {
      const wide = lane.field.clientWidth;
      if (wide === 0) continue;
      if (!lane.visible && !everything) continue;
      const width = Math.round(wide * paint.ratio);
      const height = Math.round(lane.field.clientHeight * paint.ratio);
      const { canvas } = lane;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        lane.context = canvas.getContext("2d", { willReadFrequently: true });
      }
      if (!columns.has(width)) {
        columns.set(width, throttledColumns(this.data.quota?.windows ?? [], this.range, width));
      }
      lane.context.clearRect(0, 0, width, height);
      lane.paint(lane.context, this.range, width, height, columns.get(width));
    }
    this.place();
  }

  // Where the fields lie, in pixels of the page.
  box() {
    const field = this.lanes.find((lane) => lane.field.clientWidth > 0)?.field;
    return field?.getBoundingClientRect() ?? this.element.getBoundingClientRect();
  }

  timeAt(clientX) {
    const box = this.box();
    const share = (clientX - box.left) / box.width;
    return this.range.from + share * (this.range.to - this.range.from);
  }

  // The selected request, as a frame over all lanes.
  place() {
    const request = this.selected;
    const { from, to } = this.range;
    const hidden = !request || request.end < from || request.begin > to || this.lanes.length === 0;
    this.picked.hidden = hidden;
    if (!hidden) this.lay(this.picked, request.begin, request.end);
  }

  // Lays an element over the fields, between two moments.
  lay(element, begin, end) {
    const { from, to } = this.range;
    const share = (time) => Math.min(Math.max((time - from) / (to - from), 0), 1);
    // by the style sheet's own measures, so that it also holds on paper
    element.style.left = `calc(var(--label) + (100% - var(--label)) * ${share(begin)})`;
    element.style.width = `calc((100% - var(--label)) * ${share(end) - share(begin)})`;
  }

  hover(event) {
    const lane = this.lanes.find((lane) => lane.field.contains(event.target));
    if (!lane) return this.leave();
    const time = this.timeAt(event.clientX);
    const box = lane.field.getBoundingClientRect();
    this.lay(this.cross, time, time);
    this.cross.hidden = false;
    const lines = lane.tell?.(time, (event.clientY - box.top) / box.height) ?? [];
    showTip(event, [...lines, { small: `${moment(time, this.step())}${clock(this.data, time)}` }]);
  }

  // Time of one pixel.
  step() {
    return (this.range.to - this.range.from) / Math.max(1, this.box().width);
  }

  leave() {
    this.cross.hidden = true;
    hideTip();
  }
}

// The same moment as logs write it.
function clock(data, time) {
  const started = Date.parse(data.about.started);
  if (Number.isNaN(started)) return "";
  return ` · ${new Date(started + time / 1000).toISOString().slice(11, 23)} UTC`;
}

function showTip(event, lines) {
  const tip = byId("tip");
  tip.replaceChildren(...lines.map((line) => {
    if (line.small) return make("small", {}, line.small);
    if (line.kind === undefined) return make("div", {}, line.text);
    return make("div", {}, swatch(line.kind), line.text);
  }));
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, window.innerWidth - box.width - 8);
  const below = event.clientY + 18;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${below + box.height > window.innerHeight ? event.clientY - box.height - 12 : below}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

// Distances of ticks that read well.
function tickStep(length, width) {
  const wanted = length / Math.max(2, width / 110);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= wanted);
}

// The axis: above, the whole recording with what is shown of it; below, ticks.
function paintAxis(context, chart, shown, width, height) {
  const { range, data } = chart;
  const ratio = paint.ratio;
  const strip = Math.round(height * 0.42);
  context.fillStyle = paint.colours.lane;
  context.fillRect(0, 0, width, strip);
  bands(context, data.quota?.windows ?? [], { from: 0, to: data.end }, width, strip);
  for (const request of shown.slowest) {
    context.fillStyle = paint.colours[KINDS[request.kind].key];
    const tall = (request.took / shown.longest) * strip;
    context.fillRect((request.begin / data.end) * width, strip - tall, 1.5 * ratio, tall);
  }
  const a = (range.from / data.end) * width;
  const b = (range.to / data.end) * width;
  context.fillStyle = paint.colours.page;
  context.globalAlpha = 0.72;
  context.fillRect(0, 0, a, strip);
  context.fillRect(b, 0, width - b, strip);
  context.globalAlpha = 1;
  context.strokeStyle = paint.colours.text;
  context.lineWidth = 1.5 * ratio;
  context.strokeRect(Math.min(a, width - 3 * ratio) + ratio, ratio, Math.max(b - a - 2 * ratio, 2 * ratio), strip - 2 * ratio);
  const step = tickStep(range.to - range.from, width / ratio);
  context.font = `${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (let tick = Math.ceil(range.from / step) * step; tick <= range.to; tick += step) {
    const x = ((tick - range.from) / (range.to - range.from)) * width;
    context.fillStyle = paint.colours.line;
    context.fillRect(Math.round(x), strip, ratio, height - strip);
    const text = moment(tick, step);
    if (x + context.measureText(text).width + 6 * ratio > width) break;
    context.fillStyle = paint.colours.muted;
    context.fillText(text, x + 5 * ratio, strip + (height - strip) / 2 + ratio);
  }
}

