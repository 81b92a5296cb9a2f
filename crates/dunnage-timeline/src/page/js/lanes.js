// Which lanes there are, and what each says of itself.

function addSeries(chart, data, shown) {
  const { quota } = data;
  chart.add({ name: "", kind: "axis", title: "Time. Above: the whole recording and what is shown of it", paint: (context, range, width, height) => paintAxis(context, chart, shown, width, height) });
  if (quota?.isCounted && quota.graph.length) {
    chart.add({
      name: "What your graph shows",
      note: data.end < 15e6 ? "CPU use, average since the beginning" : "CPU use, average over 15 s",
      kind: "graph",
      paint: (context, range, width, height) => paintGraph(context, quota, range, width, height),
      tell: (time) => {
        const point = quota.graph.findLast((point) => point.time <= time) ?? quota.graph[0];
        const share = quota.limit ? ` = ${percent(point.cpus / quota.limit)} of the limit` : "";
        return [{ text: `${point.cpus.toFixed(3)} CPU over ${duration(Math.min(point.time, 15e6))}${share}` }];
      },
    });
  }
  if (shown.list.length) {
    chart.add({
      name: shown.marked ? "What requests saw" : "The longest stalls",
      note: `by height, up to ${duration(shown.longest)}`,
      kind: "requests",
      paint: (context, range, width, height) => paintRequests(context, data, shown, range, width, height, chart.selected),
      tell: (time) => {
        const request = requestAt(chart, shown, time);
        return request ? [{ kind: request.kind, text: `${requestName(request)} took ${duration(request.took)}` }] : [];
      },
    });
  }
  if (quota) addQuota(chart, quota);
  if (data.moments.length) {
    chart.add({
      name: "Marks",
      note: data.moments.length === 1 ? "1 moment" : `${data.moments.length} moments`,
      kind: "marks",
      paint: (context, range, width, height) => {
        context.fillStyle = paint.colours.accent;
        for (const { time } of data.moments) {
          const x = ((time - range.from) / (range.to - range.from)) * width;
          if (x >= 0 && x <= width) context.fillRect(x, 0, 1.5 * paint.ratio, height);
        }
      },
      tell: (time) => data.moments.filter((mark) => Math.abs(mark.time - time) < 4 * chart.step()).slice(0, 5)
        .map((mark) => ({ text: `${mark.name} ${mark.id}` })),
    });
  }
}

function addQuota(chart, quota) {
  const full = quota.limit ? (quota.limit * quota.period) / 1000 : quota.period / 1000;
  return chart.add({
    name: "The quota",
    note: quota.limit ? `${duration(full)} of CPU each ${duration(quota.period / 1000)}` : "no limit",
    title: `CPU time used in each period of the quota, read from ${quota.source}`,
    kind: "quota",
    paint: (context, range, width, height) => paintPeriods(context, quota, range, width, height),
    tell: (time) => {
      const lines = [];
      const window = quota.windows[firstEnding(quota.windows, time)];
      if (window && window.start <= time) lines.push({ kind: THROTTLED, text: `the group is throttled for ${duration(window.end - window.start)}` });
      const period = quota.periods[firstEnding(quota.periods, time)];
      if (period && period.start <= time) {
        const used = quota.isCounted ? `${duration(period.used)} of ${duration(full)} used in this period` : "a period";
        lines.push({ text: `${used}${period.throttled ? ", throttled" : ""}` });
      }
      return lines;
    },
  });
}

// The slowest request that runs at this moment, or begins within a few pixels.
function requestAt(chart, shown, time) {
  const near = 3 * chart.step();
  let best;
  for (const request of shown.byBegin) {
    if (request.begin > time + near) break;
    if (request.end + near >= time && (!best || request.took > best.took)) best = request;
  }
  return best;
}

// Threads that neither ran nor wanted to are left out until asked for.
const QUIET_SHARE = 0.001, QUIET_FROM = 4;

function addProcess(chart, data, process) {
  const group = byId("lanes").appendChild(make("section", { class: "process" }));
  const python = process.python ? ` · CPython ${process.python}` : "";
  group.append(make("h3", {}, make("b", {}, process.command), make("span", { class: "muted" }, ` pid ${process.pid}${python}`)));
  if (process.has_gil) addGil(chart, process, group);
  const busy = (thread) => thread.track.total.reduce((sum, part, kind) => sum + (kind === SLEEPING || kind === UNKNOWN ? 0 : part), 0);
  const quiet = process.threads.filter((thread) => busy(thread) < QUIET_SHARE * data.end);
  const hide = quiet.length >= QUIET_FROM ? new Set(quiet) : new Set();
  for (const thread of process.threads) if (!hide.has(thread)) addThread(chart, process, thread, group);
  if (!hide.size) return;
  const button = make("button", { type: "button", class: "quiet" }, `Show ${hide.size} threads that slept`);
  group.append(button);
  button.addEventListener("click", () => {
    button.remove();
    for (const thread of hide) addThread(chart, process, thread, group);
    chart.ask();
  });
}

function addGil(chart, process, parent) {
  const { gil } = process;
  const frozen = gil.total[THROTTLED];
  const name = (i) => process.threads[gil.holder[i]]?.label ?? "?";
  return chart.add({
    name: "Who holds the GIL",
    note: frozen > 0 ? `frozen for ${duration(frozen)}` : "never frozen",
    title: "Who held the GIL, and what that thread did meanwhile",
    kind: "gil",
    parent,
    paint: (context, range, width, height, tinted) => {
      paintTrack(context, gil, range, width, height, tinted);
      paintWords(context, gil, range, width, height, (i) => {
        if (gil.what[i] === SLEEPING) return [];
        const frozen = gil.what[i] === THROTTLED ? ", throttled" : "";
        const took = duration(gil.edges[i + 1] - gil.edges[i]);
        return [`held by ${name(i)}${frozen}: ${took}`, `${name(i)}${frozen}: ${took}`, `${name(i)}${frozen}`, name(i)];
      });
    },
    tell: (time) => {
      const i = gil.find(time);
      if (i < 0 || i >= gil.count || gil.what[i] === SLEEPING) return [{ text: "nobody holds the GIL" }];
      const state = gil.what[i] === THROTTLED ? "while throttled: nobody can have it" : KINDS[gil.what[i]].text;
      return [{ kind: gil.what[i], text: `held by ${name(i)}, ${state}, ${duration(gil.edges[i + 1] - gil.edges[i])}` }];
    },
  });
}

function addThread(chart, process, thread, parent, note) {
  const { track } = thread;
  const total = track.end - track.begin || 1;
  const worst = [GIL_THROTTLED, THROTTLED, 6, 1, 3, 4].reduce((a, b) => (track.total[b] > track.total[a] ? b : a));
  const waits = track.total[worst] > total / 200 ? `, ${KINDS[worst].short} ${percent(track.total[worst] / total)}` : "";
  return chart.add({
    name: thread.label,
    note: note ?? `runs ${percent(track.total[RUNNING] / total)}${waits}`,
    title: `${thread.label}, tid ${thread.tid}`,
    kind: "thread",
    parent,
    paint: (context, range, width, height, tinted) => {
      paintTrack(context, track, range, width, height, tinted);
      paintWords(context, track, range, width, height, (i) => {
        const took = duration(track.edges[i + 1] - track.edges[i]);
        const kind = KINDS[track.what[i]];
        if (track.what[i] === SLEEPING) return note ? [kind.short] : [];
        return [`${kind.text}: ${took}`, `${kind.short}: ${took}`, kind.short, took];
      });
    },
    tell: (time) => {
      const i = track.find(time);
      if (i < 0 || i >= track.count) return [{ text: "not there" }];
      const holder = process.threads[track.holder[i]];
      const took = track.edges[i + 1] - track.edges[i];
      const lines = [{ kind: track.what[i], text: `${KINDS[track.what[i]].text}, ${duration(took)}` }];
      if (holder) lines.push({ text: `the GIL is held by ${holder.label}` });
      const step = chart.step();
      if (took < 2 * step) {
        const parts = track.parts(time - step, time + step);
        const count = track.find(time + step) - track.find(time - step);
        if (count > 3) {
          lines.splice(0, 2, { text: `${count} changes within ${duration(2 * step)}:` },
            ...KINDS.map((kind, number) => ({ kind: number, share: parts[number] / (2 * step), text: `${percent(parts[number] / (2 * step))} ${kind.text}` }))
              .filter((line) => line.share > 0.005).sort((a, b) => b.share - a.share));
        }
      }
      return lines;
    },
  });
}

// One request as a bar, for the picture of it alone.
function addRequest(chart, request) {
  chart.add({
    name: requestName(request),
    note: `from ${moment(request.begin)}`,
    kind: "request",
    paint: (context, range, width, height) => {
      const scale = width / (range.to - range.from);
      const a = (request.begin - range.from) * scale;
      const b = (request.end - range.from) * scale;
      context.fillStyle = paint.colours.text;
      context.beginPath();
      context.roundRect(a, 0, Math.max(b - a, 2), height, 4 * paint.ratio);
      context.fill();
      context.fillStyle = paint.colours.page;
      context.font = `600 ${12 * paint.ratio}px system-ui, sans-serif`;
      context.textBaseline = "middle";
      context.fillText(duration(request.took), Math.max(a, 0) + 10 * paint.ratio, height / 2 + 0.5 * paint.ratio);
    },
    tell: () => [{ text: `${requestName(request)} took ${duration(request.took)}` }],
  });
}

