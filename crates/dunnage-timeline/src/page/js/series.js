// Series on the same axis as the lanes: the dashboard's line, the quota's periods, requests.

// A line of averages, filled down to the ground, against its limit.
function paintGraph(context, quota, range, width, height) {
  const ratio = paint.ratio;
  const most = quota.graph.reduce((most, point) => Math.max(most, point.cpus), 0);
  const top = (quota.limit ? Math.max(quota.limit, most) : most || 1) * 1.18;
  const x = (time) => ((time - range.from) / (range.to - range.from)) * width;
  const y = (cpus) => height - 1 - (cpus / top) * (height - 2);
  const points = quota.graph;
  if (points.length) {
    context.beginPath();
    context.moveTo(x(points[0].time), y(points[0].cpus));
    for (const point of points) context.lineTo(x(point.time), y(point.cpus));
    context.strokeStyle = paint.colours.accent;
    context.lineWidth = 2 * ratio;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(x(points[points.length - 1].time), height);
    context.lineTo(x(points[0].time), height);
    context.globalAlpha = 0.14;
    context.fillStyle = paint.colours.accent;
    context.fill();
    context.globalAlpha = 1;
  }
  if (quota.limit) dashed(context, y(quota.limit), width, `limit: ${quota.limit} CPU`);
}

function dashed(context, y, width, text) {
  const ratio = paint.ratio;
  context.strokeStyle = paint.colours.muted;
  context.fillStyle = paint.colours.muted;
  context.lineWidth = ratio;
  context.setLineDash([4 * ratio, 4 * ratio]);
  context.beginPath();
  context.moveTo(0, Math.round(y) + 0.5);
  context.lineTo(width, Math.round(y) + 0.5);
  context.stroke();
  context.setLineDash([]);
  context.font = `${10.5 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "top";
  context.fillText(text, 6 * ratio, y + 5 * ratio);
}

// The quota's periods: a bar as high as the share that was used, on throttled bands.
function paintPeriods(context, quota, range, width, height) {
  const ratio = paint.ratio;
  const scale = width / (range.to - range.from);
  const hatched = paint.tiles[THROTTLED].pattern;
  bands(context, quota.windows, range, width, height, quota.isCounted ? paint.colours.tint : hatched);
  if (!quota.isCounted) return;
  const full = quota.limit ? quota.limit * quota.period / 1000 : quota.period / 1000;
  const apart = (quota.period / 1000) * scale > 12 * ratio ? ratio : 0;
  const high = new Float32Array(width);
  const red = new Uint8Array(width);
  const { periods } = quota;
  for (let i = firstEnding(periods, range.from); i < periods.length && periods[i].start < range.to; i++) {
    const period = periods[i];
    const share = Math.min(1, period.used / full);
    const a = Math.max(0, Math.round((period.start - range.from) * scale));
    const b = Math.min(width, Math.max(Math.round((period.end - range.from) * scale) - apart, a + 1));
    for (let x = a; x < b; x++) {
      if (share > high[x]) high[x] = share;
      if (period.throttled) red[x] = 1;
    }
  }
  for (let x = 0; x < width; x++) {
    if (high[x] === 0) continue;
    const tall = Math.max(ratio, high[x] * (height - 3 * ratio));
    context.fillStyle = red[x] ? hatched : paint.colours.accent;
    context.fillRect(x, height - tall, 1, tall);
  }
  context.fillStyle = paint.colours.line;
  if (apart) {
    for (const period of periods) {
      const x = Math.round((period.start - range.from) * scale);
      if (x >= 0 && x < width) context.fillRect(x, 0, ratio, height);
    }
  }
  context.fillStyle = paint.colours.muted;
  context.fillRect(0, Math.round(2 * ratio), width, ratio);
  if (!apart) return;
  for (let i = firstEnding(periods, range.from); i < periods.length && periods[i].start < range.to; i++) {
    const { start, end, used, throttled } = periods[i];
    const a = Math.max(0, (start - range.from) * scale);
    const b = Math.min(width, (end - range.from) * scale);
    const said = `${duration(used)} used`;
    plate(context, a, b, height, throttled ? [`${said}: throttled`, said] : [said]);
  }
}

function bands(context, windows, range, width, height, style = paint.colours.tint) {
  const columns = throttledColumns(windows, range, width);
  context.fillStyle = style;
  for (let x = 0; x < width; ) {
    if (!columns[x]) {
      x++;
      continue;
    }
    let end = x;
    while (end < width && columns[end]) end++;
    context.fillRect(x, 0, end - x, height);
    x = end;
  }
}

// Requests: a stem where each began, as high as it took, in the colour of what it waited for most.
function paintRequests(context, data, shown, range, width, height, selected) {
  const ratio = paint.ratio;
  if (data.quota) bands(context, data.quota.windows, range, width, height);
  const scale = width / (range.to - range.from);
  const usable = height - 8 * ratio;
  const thin = shown.list.length > 4 * width;
  for (const request of shown.byBegin) {
    if (request.end < range.from) continue;
    if (request.begin > range.to) break;
    const a = (request.begin - range.from) * scale;
    const b = (request.end - range.from) * scale;
    const tall = Math.max(2 * ratio, (request.took / shown.longest) * usable);
    if (thin && tall <= 2 * ratio) continue;
    context.fillStyle = paint.colours[KINDS[request.kind].key];
    context.globalAlpha = 0.22;
    context.fillRect(a, height - tall, Math.max(b - a, ratio), tall);
    context.globalAlpha = 1;
    context.fillRect(a, height - tall, Math.max(1.5 * ratio, 1), tall);
    context.fillRect(a, height - tall, Math.max(b - a, 4 * ratio), 2 * ratio);
    if (request === selected) {
      context.strokeStyle = paint.colours.text;
      context.lineWidth = 1.5 * ratio;
      context.strokeRect(a - ratio, height - tall - ratio, Math.max(b - a, 4 * ratio) + 2 * ratio, tall + ratio);
    }
  }
}

