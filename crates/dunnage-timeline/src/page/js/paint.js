// Pictures of lanes and series. Lanes are written pixel by pixel: a column shows the mix of its time, so nothing short is
// lost and nothing is drawn twice, however much time a column stands for.

const paint = {
  // Colours as the canvas wants them, read from the style sheet at each change of theme.
  colours: {},
  tiles: [],
  background: 0,
  tint: 0,
  ratio: 1,
};

function packed(colour) {
  const value = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((value & 255) << 16) | (value & 0xff00) | (value >> 16)) >>> 0;
}

function loadPalette() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  for (const name of ["text", "muted", "line", "lane", "tint", "accent", "page", "card", "selection", "plate"]) {
    paint.colours[name] = read(name);
  }
  paint.ratio = Math.min(window.devicePixelRatio || 1, 3);
  paint.background = packed(paint.colours.lane);
  paint.tint = packed(paint.colours.tint);
  paint.tiles = KINDS.map((kind, number) => {
    paint.colours[kind.key] = read(kind.key);
    return makeTile(number, packed(read(kind.key)), packed(read(`${kind.key}-2`) || read(kind.key)));
  });
}

// A pattern of 6×6 CSS pixels for a kind, in device pixels. Throttled leans one way, a wait for a throttled holder the other,
// unknown is dotted: they tell apart without colour.
function makeTile(kind, colour, second) {
  const size = Math.max(4, Math.round(6 * paint.ratio));
  const thick = Math.max(1, Math.round(1.6 * paint.ratio));
  const pixels = new Uint32Array(size * size).fill(colour);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const drawn =
        (kind === THROTTLED && (x + y) % size < thick) ||
        (kind === GIL_THROTTLED && (x - y + size) % size < thick) ||
        (kind === UNKNOWN && x % size < thick && y % size < thick);
      if (drawn) pixels[y * size + x] = second;
    }
  }
  const canvas = make("canvas", { width: size, height: size });
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(new Uint8ClampedArray(pixels.buffer), size, size), 0, 0);
  return { size, pixels, pattern: context.createPattern(canvas, "repeat") };
}

let shared = null;

// One image for all lanes of a size.
function imageFor(context, width, height) {
  if (!shared || shared.width !== width || shared.height !== height) {
    const image = context.createImageData(width, height);
    shared = { width, height, image, pixels: new Uint32Array(image.data.buffer) };
  }
  return shared;
}

const mixed = new Float64Array(9);
const heights = new Int32Array(9);

// A lane of spans. `tinted[x]` says whether the group was throttled in that column.
function paintTrack(context, track, range, width, height, tinted) {
  const { image, pixels } = imageFor(context, width, height);
  const step = (range.to - range.from) / width;
  const { edges, what, count } = track;
  let first = track.find(range.from);
  for (let x = 0; x < width; x++) {
    const from = range.from + x * step;
    const to = from + step;
    const ground = tinted && tinted[x] ? paint.tint : paint.background;
    const inside = first >= 0 && first < count;
    if (inside && edges[first + 1] >= to) {
      fillColumn(pixels, x, width, height, what[first], ground);
      if (edges[first + 1] === to) first++;
      continue;
    }
    const last = track.findFrom(first, to);
    if (last < 0 || first >= count) {
      for (let at = x; at < width * height; at += width) pixels[at] = 0;
    } else if (last === first + 1 && last < count && first >= 0 && isLong(edges, first, step) && isLong(edges, last, step)) {
      // one edge between two wide spans: sharp, not two halves on top of each other
      fillColumn(pixels, x, width, height, what[edges[last] - from > step / 2 ? first : last], ground);
    } else {
      mixed.fill(0);
      track.mix(from, first, to, last, mixed);
      stackColumn(pixels, x, width, height, step, ground);
    }
    first = last;
  }
  context.putImageData(image, 0, 0);
}

function isLong(edges, i, step) {
  return edges[i + 1] - edges[i] > 3 * step;
}

function fillColumn(pixels, x, width, height, kind, ground) {
  if (kind === SLEEPING) {
    for (let at = x; at < width * height; at += width) pixels[at] = ground;
    return;
  }
  const tile = paint.tiles[kind];
  const { size } = tile;
  const column = x % size;
  for (let y = 0, at = x; y < height; y++, at += width) pixels[at] = tile.pixels[(y % size) * size + column];
}

// Kinds on top of each other by their share. What a stall is made of is at least a pixel high.
function stackColumn(pixels, x, width, height, step, ground) {
  let left = height;
  for (const kind of [GIL_THROTTLED, THROTTLED, 3, 6, 1, 4, RUNNING, UNKNOWN]) {
    const share = mixed[kind] / step;
    let high = Math.round(share * height);
    if (high === 0 && share > 0.002) high = 1;
    high = Math.min(high, left);
    heights[kind] = high;
    left -= high;
  }
  let y = height - 1;
  let at = y * width + x;
  for (const kind of STACK) {
    const tile = paint.tiles[kind];
    const { size } = tile;
    const column = x % size;
    for (let high = heights[kind]; high > 0; high--, y--, at -= width) {
      pixels[at] = tile.pixels[(y % size) * size + column];
    }
  }
  for (; y >= 0; y--, at -= width) pixels[at] = ground;
}

// Which columns the group was throttled in.
function throttledColumns(windows, range, width) {
  const columns = new Uint8Array(width);
  const scale = width / (range.to - range.from);
  for (let i = firstEnding(windows, range.from); i < windows.length && windows[i].start < range.to; i++) {
    const a = Math.max(0, Math.floor((windows[i].start - range.from) * scale));
    const b = Math.min(width, Math.ceil((windows[i].end - range.from) * scale));
    columns.fill(1, a, Math.max(b, a + 1));
  }
  return columns;
}

// The first of rising stretches that ends after `time`.
function firstEnding(stretches, time) {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (stretches[middle].end <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Words in spans that are wide enough for them.
function paintWords(context, track, range, width, height, words) {
  const scale = width / (range.to - range.from);
  const first = Math.max(0, track.find(range.from));
  const last = Math.min(track.count - 1, track.find(range.to));
  if (last - first > 400) return;
  const ratio = paint.ratio;
  for (let i = first; i <= last; i++) {
    const a = Math.max(0, (track.edges[i] - range.from) * scale);
    const b = Math.min(width, (track.edges[i + 1] - range.from) * scale);
    if (b - a >= 44 * ratio) plate(context, a, b, height, words(i), track.what[i] === SLEEPING);
  }
}

// The first of `texts` that has room between two columns, on a plate that keeps it readable on any pattern.
function plate(context, a, b, height, texts, bare = false) {
  const ratio = paint.ratio;
  context.font = `600 ${11 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const text = texts.find((text) => context.measureText(text).width + 16 * ratio < b - a);
  if (text === undefined) return;
  const x = a + 8 * ratio;
  if (!bare) {
    context.fillStyle = paint.colours.plate;
    context.beginPath();
    context.roundRect(x - 4 * ratio, height / 2 - 8 * ratio, context.measureText(text).width + 8 * ratio, 16 * ratio, 4 * ratio);
    context.fill();
  }
  context.fillStyle = bare ? paint.colours.muted : paint.colours.text;
  context.fillText(text, x, height / 2 + 0.5 * ratio);
}

