// Mouse, fingers and keys.

// Drag selects a stretch to look at, with Shift (or the middle button) it moves what is shown; Ctrl and the wheel zoom; two
// fingers zoom, one moves. A plain wheel stays the page's.
function listenTo(chart) {
  const { element } = chart;
  const brush = element.appendChild(make("div", { class: "brush", hidden: "" }));
  const fingers = new Map();
  let drag = null;

  element.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".field") || event.button > 1) return;
    const overview = event.target.closest(".lane-axis") && isAbove(event, 0.42);
    fingers.set(event.pointerId, event.clientX);
    element.setPointerCapture(event.pointerId);
    const moves = event.pointerType === "touch" || event.shiftKey || event.button === 1;
    drag = { x: event.clientX, range: chart.range, time: chart.timeAt(event.clientX), overview, moves, far: false, at: event.target };
    if (overview) centre(chart, event);
  });

  element.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) {
      if (event.pointerType !== "touch") chart.hover(event);
      return;
    }
    if (fingers.size === 2) return pinch(chart, fingers, event);
    fingers.set(event.pointerId, event.clientX);
    if (!drag) return;
    if (drag.overview) return centre(chart, event);
    drag.far ||= Math.abs(event.clientX - drag.x) > 4;
    if (!drag.far) return;
    if (drag.moves) {
      const { from, to } = drag.range;
      const by = ((drag.x - event.clientX) / chart.box().width) * (to - from);
      const clamped = Math.min(Math.max(by, -from), chart.data.end - to);
      chart.set(from + clamped, to + clamped);
    } else {
      const time = chart.timeAt(event.clientX);
      brush.hidden = false;
      chart.lay(brush, Math.min(drag.time, time), Math.max(drag.time, time));
      showTip(event, [{ text: duration(Math.abs(time - drag.time)) }]);
    }
  });

  const end = (event) => {
    if (!fingers.delete(event.pointerId)) return;
    brush.hidden = true;
    if (drag?.far && !drag.moves && event.type === "pointerup") {
      const time = chart.timeAt(event.clientX);
      chart.set(Math.min(drag.time, time), Math.max(drag.time, time));
      hideTip();
    } else if (drag && !drag.far && !drag.overview && event.type === "pointerup") {
      chart.clicked?.(drag.time, drag.at);
      // a finger has no hovering
      if (event.pointerType === "touch") chart.hover({ target: drag.at, clientX: event.clientX, clientY: event.clientY });
    }
    drag = null;
  };
  element.addEventListener("pointerup", end);
  element.addEventListener("pointercancel", end);
  element.addEventListener("pointerleave", () => chart.leave());
  element.addEventListener("dblclick", (event) => {
    if (event.target.closest(".field")) chart.zoom(event.shiftKey ? 2 : 0.5, chart.timeAt(event.clientX));
  });
  element.addEventListener("wheel", (event) => {
    if (!event.target.closest(".field")) return;
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      chart.zoom(1.0025 ** Math.max(-240, Math.min(240, event.deltaY * lines)), chart.timeAt(event.clientX));
    } else if (sideways) {
      event.preventDefault();
      chart.pan(sideways / chart.box().width);
    } else {
      byId("hint").classList.add("called");
    }
  }, { passive: false });
}

function isAbove(event, share) {
  const box = event.target.getBoundingClientRect();
  return event.clientY - box.top < share * box.height;
}

// The overview: what is shown moves to where the pointer is.
function centre(chart, event) {
  const box = chart.box();
  const time = ((event.clientX - box.left) / box.width) * chart.data.end;
  const half = (chart.range.to - chart.range.from) / 2;
  chart.set(time - half, time + half);
}

// Two fingers: the moments below them stay below them.
function pinch(chart, fingers, event) {
  const [a, b] = [...fingers.values()];
  const left = chart.timeAt(Math.min(a, b));
  const right = chart.timeAt(Math.max(a, b));
  fingers.set(event.pointerId, event.clientX);
  const [c, d] = [...fingers.values()];
  const box = chart.box();
  const spread = Math.max(Math.abs(c - d), 12);
  const perPixel = (right - left) / spread;
  const from = left - (Math.min(c, d) - box.left) * perPixel;
  chart.set(from, from + box.width * perPixel);
}

// Letters work wherever no field wants them; arrows up and down stay the page's.
function listenToKeys(chart, actions) {
  const keys = {
    ArrowLeft: () => chart.pan(-0.2), a: () => chart.pan(-0.2),
    ArrowRight: () => chart.pan(0.2), d: () => chart.pan(0.2),
    "+": () => chart.zoom(0.5), "=": () => chart.zoom(0.5), w: () => chart.zoom(0.5),
    "-": () => chart.zoom(2), s: () => chart.zoom(2),
    Home: () => chart.reset(), 0: () => chart.reset(),
    n: () => actions.step(1), p: () => actions.step(-1),
    t: () => actions.theme(), "?": () => actions.help(), Escape: () => actions.escape(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("dialog") && event.key !== "?") return;
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

