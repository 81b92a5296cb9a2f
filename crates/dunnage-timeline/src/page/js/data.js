// The timeline, as `encode.rs` wrote it: `facts` has the texts, the bytes have everything of which there may be a million.

const BLOCK = 32;

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  // LEB128. Numbers beyond 32 bits are built by multiplying, since shifts would cut them off.
  next() {
    let byte = this.bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    let scale = 128;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      scale *= 128;
    } while (byte >= 128);
    return value;
  }

  byte() {
    return this.bytes[this.at++];
  }
}

// One lane of stretches that touch each other. Sums by kind are kept for every 32nd, so that the mix of any stretch of time
// costs about the same, however many spans lie in it: that is what keeps a million of them smooth at each zoom.
class Track {
  constructor(count) {
    this.count = count;
    this.edges = new Float64Array(count + 1);
    this.what = new Uint8Array(count);
    this.holder = new Int32Array(count).fill(-1);
    this.sums = new Float64Array((Math.floor(count / BLOCK) + 1) * 9);
    this.total = new Float64Array(9);
  }

  seal() {
    const { edges, what, sums, total } = this;
    for (let i = 0; i < this.count; i++) {
      if (i % BLOCK === 0) sums.set(total, (i / BLOCK) * 9);
      total[what[i]] += edges[i + 1] - edges[i];
    }
    if (this.count % BLOCK === 0) sums.set(total, (this.count / BLOCK) * 9);
    return this;
  }

  get begin() {
    return this.edges[0];
  }

  get end() {
    return this.edges[this.count];
  }

  // The span that holds this moment; -1 before the first, `count` after the last.
  find(time) {
    const { edges, count } = this;
    if (count === 0 || time < edges[0]) return -1;
    if (time >= edges[count]) return count;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (edges[middle] <= time) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // As `find`, for a moment a little later than where `from` is: a few steps first, then the search.
  findFrom(from, time) {
    const { edges, count } = this;
    let i = from < 0 ? 0 : from;
    for (let steps = 0; steps < 24; steps++) {
      if (i >= count) return count;
      if (edges[i + 1] > time) return edges[i] <= time ? i : this.find(time);
      i++;
    }
    return this.find(time);
  }

  // Adds to `out` the time by kind between two moments, of which the spans `first` and `last` hold them.
  mix(from, first, to, last, out) {
    const { edges, what, sums, count } = this;
    let i = first < 0 ? 0 : first;
    if (i >= count) return;
    if (last < 0) return;
    if (i === last) {
      out[what[i]] += to - Math.max(from, edges[i]);
      return;
    }
    out[what[i]] += edges[i + 1] - Math.max(from, edges[i]);
    i++;
    const stop = Math.min(last, count);
    if (stop - i > 2 * BLOCK) {
      while (i % BLOCK) {
        out[what[i]] += edges[i + 1] - edges[i];
        i++;
      }
      const a = (i / BLOCK) * 9;
      const block = Math.floor(stop / BLOCK);
      for (let kind = 0; kind < 9; kind++) out[kind] += sums[block * 9 + kind] - sums[a + kind];
      i = block * BLOCK;
    }
    for (; i < stop; i++) out[what[i]] += edges[i + 1] - edges[i];
    if (last < count) out[what[last]] += to - edges[last];
  }

  // The time by kind between two moments.
  parts(from, to) {
    const out = new Float64Array(9);
    this.mix(from, this.find(from), to, this.find(to), out);
    return out;
  }
}

function readSpans(reader) {
  const count = reader.next();
  const track = new Track(count);
  let time = reader.next();
  let holder = -1;
  track.edges[0] = time;
  for (let i = 0; i < count; i++) {
    const tag = reader.byte();
    if (tag & 32) holder = reader.next();
    track.what[i] = tag & 15;
    if (tag & 48) track.holder[i] = holder;
    time += reader.next();
    track.edges[i + 1] = time;
  }
  return track.seal();
}

// Who held the GIL, as a lane: where nobody did, it sleeps.
function readGil(reader) {
  const holds = reader.next();
  const edges = [0];
  const what = [];
  const holder = [];
  let time = 0;
  for (let i = 0; i < holds; i++) {
    const start = time + reader.next();
    if (start > time) {
      edges.push(start);
      what.push(SLEEPING);
      holder.push(-1);
    }
    time = start + reader.next();
    holder.push(reader.next());
    what.push(reader.byte());
    edges.push(time);
  }
  const track = new Track(what.length);
  track.edges.set(edges);
  track.what.set(what);
  track.holder.set(holder);
  return track.seal();
}

function readQuota(reader) {
  const quota = { periods: [], windows: [], graph: [] };
  let time = 0;
  for (let left = reader.next(); left > 0; left--) {
    const start = time + reader.next();
    time = start + reader.next();
    quota.periods.push({ start, end: time, used: reader.next(), throttled: reader.byte() === 1 });
  }
  time = 0;
  for (let left = reader.next(); left > 0; left--) {
    const start = time + reader.next();
    time = start + reader.next();
    quota.windows.push({ start, end: time });
  }
  time = 0;
  for (let left = reader.next(); left > 0; left--) {
    time += reader.next();
    quota.graph.push({ time, cpus: reader.next() / 1e6 });
  }
  return quota;
}

function readRequests(reader, names) {
  const requests = [];
  for (let left = reader.next(); left > 0; left--) {
    const begin = reader.next();
    const end = begin + reader.next();
    const process = reader.next();
    const thread = reader.next() - 1;
    requests.push({ begin, end, took: end - begin, process, thread, name: names[reader.next()], id: reader.next() });
  }
  return requests;
}

function decodeBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const packed = atob(text);
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  return bytes;
}

// A thread's name, with its id where another has the same.
function labelOf(process, thread) {
  const same = process.threads.filter((other) => other.name === thread.name);
  return same.length > 1 ? `${thread.name} ${thread.tid}` : thread.name;
}

function decode(facts, bytes) {
  const reader = new Reader(bytes);
  const processes = facts.processes.map((process) => ({
    ...process,
    threads: process.threads.map((thread) => ({ ...thread, label: labelOf(process, thread), track: readSpans(reader) })),
    gil: readGil(reader),
  }));
  const quota = facts.quota && { ...facts.quota, ...readQuota(reader) };
  // some cgroups do not count it
  if (quota) quota.isCounted = quota.periods.some((period) => period.used > 0);
  const requests = readRequests(reader, facts.names);
  const stalls = readRequests(reader, facts.names);
  const moments = [];
  let time = 0;
  for (let left = reader.next(); left > 0; left--) {
    time += reader.next();
    moments.push({ time, process: reader.next(), tid: reader.next(), name: facts.names[reader.next()], id: reader.next() });
  }
  if (reader.at !== bytes.length) throw new Error("the page's data is damaged");
  return { ...facts, processes, quota, requests, stalls, moments, end: facts.about.duration / 1000 };
}

// The time by kind of a request, and who its thread is: both follow from its thread's lane.
function threadOf(data, request) {
  return request.thread < 0 ? undefined : data.processes[request.process]?.threads[request.thread];
}

function partsOf(data, request) {
  const thread = threadOf(data, request);
  const parts = thread ? thread.track.parts(request.begin, request.end) : new Float64Array(9);
  // a request that began before its thread was seen
  const known = parts.reduce((sum, part) => sum + part, 0);
  parts[UNKNOWN] += Math.max(0, request.took - known);
  return parts;
}

// The kind that explains a request best: the longest of what is neither running nor sleep, if that is a tenth of it.
function mainKind(parts, took) {
  let best = RUNNING;
  for (const kind of STACK) if (kind !== RUNNING && parts[kind] > (best === RUNNING ? 0 : parts[best])) best = kind;
  if (best !== RUNNING && parts[best] >= took / 10) return best;
  return parts[SLEEPING] > parts[RUNNING] ? SLEEPING : RUNNING;
}

