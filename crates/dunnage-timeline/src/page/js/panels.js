// What stands beside the lanes: the slowest requests, what one was made of, and how long all took.

// What is shown as requests: those of one name, at first the one that the verdict is about; or where nothing is marked the
// longest stalls. All that shows them holds on to the same object.
function gatherShown(data, name) {
  const marked = data.subject === "requests";
  const all = marked ? data.requests : data.stalls.map((stall, rank) => ({ ...stall, id: rank + 1 }));
  const list = marked ? all.filter((request) => request.name === name) : all;
  for (const request of list) {
    request.parts ??= partsOf(data, request);
    request.kind ??= mainKind(request.parts, request.took);
  }
  const slowest = [...list].sort((a, b) => b.took - a.took).slice(0, 100);
  return {
    name,
    marked,
    list,
    slowest,
    byBegin: [...list].sort((a, b) => a.begin - b.begin),
    longest: slowest[0]?.took ?? 1,
  };
}

// A button for each name that spans have, where there is more than one.
function fillNames(data, shown, choose) {
  const counts = new Map();
  for (const { name } of data.requests) counts.set(name, (counts.get(name) ?? 0) + 1);
  if (!shown.marked || counts.size < 2) return;
  for (const [name, count] of counts) {
    const button = make("button", { type: "button", "aria-pressed": name === shown.name }, name, " ", make("small", {}, String(count)));
    button.addEventListener("click", () => {
      for (const other of byId("names").children) other.setAttribute("aria-pressed", other === button);
      choose(name);
    });
    byId("names").append(button);
  }
}

function requestName(request) {
  return `${request.name} ${request.id}`;
}

// So many are listed.
const LISTED = 25;

function fillSlowest(data, shown, select) {
  const list = byId("slowest");
  list.replaceChildren();
  for (const request of shown.slowest.slice(0, LISTED)) {
    const bar = partsBar(request.parts, request.took);
    const holder = make("span", { class: "bar" }, bar);
    holder.style.setProperty("--share", request.took / shown.longest);
    const thread = threadOf(data, request);
    const button = make("button", { type: "button", "aria-label": `${requestName(request)}, ${duration(request.took)}: zoom to it` },
      make("span", { class: "took" }, duration(request.took)),
      make("span", { class: "who" }, requestName(request)),
      make("span", { class: "when" }, `at ${moment(request.begin)}${thread ? ` · ${thread.label}` : ""}`),
      holder);
    button.addEventListener("click", () => select(request));
    request.button = button;
    list.append(make("li", {}, button));
  }
}

// The stretches that a request was made of, one that goes on with the same holder counted once.
function stretchesOf(data, request) {
  const thread = threadOf(data, request);
  const stretches = [];
  if (!thread) return stretches;
  const { track } = thread;
  for (let i = Math.max(0, track.find(request.begin)); i < track.count && track.edges[i] < request.end; i++) {
    const begin = Math.max(track.edges[i], request.begin);
    const end = Math.min(track.edges[i + 1], request.end);
    if (end <= begin) continue;
    const last = stretches[stretches.length - 1];
    if (last && last.kind === track.what[i] && last.holder === track.holder[i]) last.end = end;
    else stretches.push({ begin, end, kind: track.what[i], holder: track.holder[i] });
  }
  return stretches;
}

const MOST_ROWS = 24;

// Kinds that alternate quickly belong together: stood still, had no GIL, had one or no CPU, slept.
const FAMILY = [2, 1, 0, 1, 1, 0, 2, 3, 4];

const sumOf = (stretches) => stretches.reduce((sum, stretch) => sum + stretch.end - stretch.begin, 0);

// The rows of a waterfall: stretches of a family, with what interrupts them for less than a hundredth of all. Rows of next to
// nothing are left to a sum, so that all are the request.
function rowsOf(stretches, total) {
  const rows = [];
  let row;
  let pending = [];
  const begin = (family, members) => {
    row = { family, stretches: members };
    rows.push(row);
    pending = [];
  };
  for (const stretch of stretches) {
    const family = FAMILY[stretch.kind];
    if (!row) {
      begin(family, [stretch]);
    } else if (family === row.family) {
      row.stretches.push(...pending, stretch);
      pending = [];
    } else {
      pending.push(stretch);
      if (sumOf(pending) >= total / 100) {
        const longest = pending.reduce((a, b) => (b.end - b.begin > a.end - a.begin ? b : a));
        begin(FAMILY[longest.kind], pending);
      }
    }
  }
  row?.stretches.push(...pending);
  for (const row of rows) row.took = sumOf(row.stretches);
  const shown = [...rows].sort((a, b) => b.took - a.took).slice(0, MOST_ROWS).filter((row) => row.took >= total / 400);
  const sum = (rows) => rows.reduce((sum, row) => sum + row.took, 0);
  return { rows: rows.filter((row) => shown.includes(row)), rest: sum(rows) - sum(shown) };
}

// What a row was, the largest first: what is less than a fifth of it is left out.
function rowWords(row, process) {
  const sums = new Map();
  for (const { kind, holder, begin, end } of row.stretches) {
    const key = `${kind} ${holder}`;
    const sum = sums.get(key) ?? { kind, holder, took: 0 };
    sum.took += end - begin;
    sums.set(key, sum);
  }
  const words = [...sums.values()].sort((a, b) => b.took - a.took).filter((sum, i) => i === 0 || sum.took >= row.took / 5);
  return words.slice(0, 3).map(({ kind, holder }) => {
    const name = holder >= 0 ? ` (${process.threads[holder].label})` : "";
    return make("div", {}, swatch(kind), KINDS[kind].text + name);
  });
}

// A waterfall of what a request was made of.
function fillDetail(data, request) {
  const detail = byId("detail");
  const process = data.processes[request.process];
  const { rows: long, rest } = rowsOf(stretchesOf(data, request), request.took);
  const rows = long.map((row) => {
    const bar = makeSvg("svg", { class: "fall", "aria-hidden": "true" });
    for (const { begin, end, kind } of row.stretches) {
      bar.append(makeSvg("rect", {
        class: `k-${KINDS[kind].key}`,
        x: `${((begin - request.begin) / request.took) * 100}%`,
        width: `${Math.max(0.3, ((end - begin) / request.took) * 100)}%`,
        height: "100%",
      }));
    }
    return make("tr", {},
      make("td", { class: "start" }, `+${duration(row.stretches[0].begin - request.begin)}`),
      make("td", { class: "what" }, ...rowWords(row, process)),
      make("td", { class: "fallen" }, bar),
      make("td", { class: "took" }, duration(row.took)));
  });
  if (rest > 0.5) {
    rows.push(make("tr", { class: "rest" }, make("td"), make("td", { class: "what" }, "the rest"), make("td"),
      make("td", { class: "took" }, duration(rest))));
  }
  const thread = threadOf(data, request);
  detail.replaceChildren(
    make("h3", {}, `${requestName(request)} took ${duration(request.took)}`),
    make("p", { class: "muted" }, `from ${moment(request.begin)} to ${moment(request.end)}${clock(data, request.begin)}` +
      (thread ? ` · ${thread.label}${thread.label === thread.name ? `, tid ${thread.tid}` : ""}` : " · its thread was not seen")),
    partsBar(request.parts, request.took),
    partsList(request.parts, request.took),
    make("div", { class: "scroll" }, make("table", {},
      make("caption", {}, "what its thread did, in order"),
      make("tbody", {}, ...rows))));
}

// "78 % waiting for the GIL, holder throttled · 329 ms", the largest first.
function partsList(parts, total) {
  const list = make("ul", { class: "legend" });
  const order = KINDS.map((_, kind) => kind).filter((kind) => parts[kind] > 0).sort((a, b) => parts[b] - parts[a]);
  for (const kind of order.slice(0, 5)) {
    list.append(make("li", {}, swatch(kind), make("b", {}, percent(parts[kind] / total)), ` ${KINDS[kind].text} `,
      make("span", { class: "muted" }, duration(parts[kind]))));
  }
  return list;
}

// How long requests took, each doubling in four; bars are coloured by what the time in them was.
function drawHistogram(shown) {
  const svg = byId("histogram");
  svg.replaceChildren();
  const least = Math.max(1, Math.min(...shown.list.map((request) => request.took)));
  const base = Math.floor(Math.log2(least) * 4);
  const bins = [];
  for (const request of shown.list) {
    const at = Math.floor(Math.log2(Math.max(request.took, 1)) * 4) - base;
    while (bins.length <= at) bins.push({ count: 0, parts: new Float64Array(9), took: 0 });
    const bin = bins[at];
    bin.count++;
    bin.took += request.took;
    for (let kind = 0; kind < 9; kind++) bin.parts[kind] += request.parts[kind];
  }
  while (bins.length < 6) bins.push({ count: 0, parts: new Float64Array(9), took: 0 });
  const [width, height, floor, head] = [1000, 200, 28, 30];
  const most = Math.max(...bins.map((bin) => bin.count));
  const wide = width / bins.length;
  // the root of the count: one slow request of a thousand is still to be seen
  const tall = (count) => Math.sqrt(count / most) * (height - floor - head);
  const x = (us) => (Math.log2(us) * 4 - base) * wide;
  bins.forEach((bin, number) => {
    if (!bin.count) return;
    const high = tall(bin.count);
    let y = height - floor;
    for (const kind of [SLEEPING, ...STACK]) {
      const part = (bin.parts[kind] / bin.took) * high;
      if (part < 0.2) continue;
      y -= part;
      svg.append(makeSvg("rect", { class: `k-${KINDS[kind].key}`, x: number * wide + 1, y, width: Math.max(1, wide - 2), height: part }));
    }
    const from = 2 ** ((base + number) / 4);
    svg.append(makeSvg("text", { class: "count", x: (number + 0.5) * wide, y: height - floor - high - 5 }, String(bin.count)));
    svg.append(makeSvg("rect", { class: "hit", x: number * wide, y: 0, width: wide, height },
      makeSvg("title", {}, `${bin.count} between ${duration(from)} and ${duration(from * 2 ** 0.25)}`)));
  });
  svg.append(makeSvg("line", { class: "axis", x1: 0, x2: width, y1: height - floor, y2: height - floor }));
  for (let power = Math.floor(Math.log10(least)); power <= 9; power++) {
    for (const times of [1, 2, 5]) {
      const us = times * 10 ** power;
      const at = x(us);
      if (at < -1 || at > width - 30) continue;
      svg.append(makeSvg("line", { class: "tick", x1: at, x2: at, y1: height - floor, y2: height - floor + 5 }),
        makeSvg("text", { class: "tick", x: at + 3, y: height - 10 }, duration(us)));
    }
  }
  const sorted = shown.list.map((request) => request.took).sort((a, b) => a - b);
  // the least that so many took no longer than
  const quantile = (share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  const quantiles = { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: sorted[sorted.length - 1] };
  byId("latency-words").textContent = `${sorted.length} × ${shown.name}: p50 ${duration(quantiles.p50)}, p90 ${duration(quantiles.p90)}, ` +
    `p99 ${duration(quantiles.p99)}, the slowest ${duration(quantiles.max)}.`;
  for (const name of ["p50", "p99", "max"]) {
    const at = x(quantiles[name]);
    if (!(at >= 0)) continue;
    const right = at > width * 0.85;
    svg.append(makeSvg("line", { class: "quantile", x1: at, x2: at, y1: 14, y2: height - floor }),
      makeSvg("text", { class: `quantile${right ? " right" : ""}`, x: right ? at - 5 : at + 5, y: name === "p99" ? 23 : 11 }, `${name} ${duration(quantiles[name])}`));
  }
}

