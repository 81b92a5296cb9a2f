//! What the lanes show: the right colours, from the right numbers, fast.

use dunnage_timeline::timeline::What;
use serde_json::{Value, json};

use crate::browser::{self, Browser};
use crate::sample::{self, FIRST_STALL, MS};

/// The colour of the middle of a lane's field at a moment, as `r,g,b`; the lane by its name.
fn colour_at(browser: &mut Browser, lane: &str, time: u64) -> String {
    let micros = time / 1000;
    browser.text(&format!(
        "(() => {{ const {{ chart }} = dunnage;
         const lane = chart.lanes.find(lane => lane.row.querySelector('b').textContent === '{lane}');
         const {{ from, to }} = chart.range;
         const x = Math.floor(({micros} - from) / (to - from) * lane.canvas.width);
         return lane.context.getImageData(x, 3, 1, 1).data.slice(0, 3).join(',') }})()"
    ))
}

/// Both colours of a kind, as the style sheet has them.
pub fn colours_of(browser: &mut Browser, kind: &str) -> Vec<String> {
    ["", "-2"]
        .iter()
        .map(|suffix| {
            let hex = browser.text(&format!(
                "getComputedStyle(document.documentElement).getPropertyValue('--{kind}{suffix}').trim()"
            ));
            let parts = [1, 3, 5].map(|at| hex.get(at..at + 2).map(|byte| u8::from_str_radix(byte, 16).unwrap()));
            parts.iter().flatten().map(u8::to_string).collect::<Vec<_>>().join(",")
        })
        .filter(|colour| !colour.is_empty())
        .collect()
}

pub fn show(browser: &mut Browser, from: u64, to: u64) {
    browser.eval(&format!(
        "dunnage.chart.set({}, {})",
        from / 1000,
        to / 1000
    ));
    browser.settle();
}

#[test]
fn lanes_have_the_colour_of_what_happened() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 2000, 1.0, false);
    browser.open(&sample::stall());
    let ms = |n: u64| FIRST_STALL + n * MS;
    show(&mut browser, ms(0) - 50 * MS, ms(400));
    for (lane, at, kind) in [
        ("nightly-report", 10, "running"),
        ("nightly-report", 60, "throttled"),
        ("nightly-report", 110, "running"),
        ("nightly-report", 160, "throttled"),
        ("nightly-report", 350, "lane"),
        ("http-worker", 60, "gil-throttled"),
        ("http-worker", 110, "gil-running"),
        ("http-worker", 25, "tint"),
        ("http-worker", 321, "running"),
        ("Who holds the GIL", 10, "running"),
        ("Who holds the GIL", 60, "throttled"),
        ("Who holds the GIL", 390, "lane"),
    ] {
        let colour = colour_at(&mut browser, lane, ms(at));
        let expected = colours_of(&mut browser, kind);
        assert!(
            expected.contains(&colour),
            "{lane} at {at} ms: {colour}, not {kind} {expected:?}"
        );
    }
    // from far away a column holds a whole stall: what stalls is not lost among what sleeps
    show(&mut browser, 0, 24_000 * MS);
    let tall = browser.text(
        "(() => { const lane = dunnage.chart.lanes.find(lane => lane.row.querySelector('b').textContent === 'http-worker');
         const { width, height } = lane.canvas; const x = Math.floor(2.1 / 24 * width);
         return [...Array(height).keys()].map(y => lane.context.getImageData(x, y, 1, 1).data.slice(0, 3).join(',')).join(' ') })()",
    );
    let signal = colours_of(&mut browser, "gil-throttled");
    let share = tall
        .split(' ')
        .filter(|colour| signal.iter().any(|one| one == colour))
        .count();
    assert!(share >= 13, "{share} of 26: {tall}");
    browser.assert_clean();
}

/// What the script has read, as numbers.
const READ: &str = "(() => { const { data } = dunnage;
    const spans = track => [...track.what].map((what, i) => [track.edges[i], track.edges[i + 1], what, track.holder[i]]);
    return { threads: data.processes.map(process => process.threads.map(thread => spans(thread.track))),
      gil: data.processes.map(process => spans(process.gil).filter(span => span[3] >= 0)),
      requests: data.requests.map(request => [request.begin, request.end, request.id, ...request.parts]),
      periods: data.quota.periods.length, windows: data.quota.windows.map(w => [w.start, w.end]),
      graph: data.quota.graph.map(point => [point.time, point.cpus]), moments: data.moments } })()";

#[test]
fn the_script_reads_what_was_written() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    let timeline = sample::stall();
    browser.open(&timeline);
    let read = browser.eval(READ);
    let process = &timeline.processes[0];
    let micros = |time: u64| (time + 500) / 1000;
    for (number, thread) in process.threads.iter().enumerate() {
        let spans: Vec<Value> = thread
            .spans
            .iter()
            .map(|span| {
                json!([
                    micros(span.start),
                    micros(span.end),
                    span.what as u8,
                    span.holder.map_or(-1, i64::from)
                ])
            })
            .collect();
        assert_eq!(read["threads"][0][number], json!(spans), "{}", thread.name);
    }
    let holds: Vec<Value> = process
        .gil
        .iter()
        .map(|hold| {
            json!([
                micros(hold.start),
                micros(hold.end),
                hold.what as u8,
                hold.thread
            ])
        })
        .collect();
    assert_eq!(read["gil"][0], json!(holds));
    // the parts of a request follow from its thread's lane: they need not be written
    for (request, read) in timeline
        .requests
        .iter()
        .zip(read["requests"].as_array().unwrap())
    {
        let mut expected = vec![micros(request.begin), micros(request.end), request.id];
        expected.extend(What::ALL.map(|what| micros(request.parts[what])));
        assert_eq!(read, &json!(expected));
    }
    let quota = timeline.quota.as_ref().unwrap();
    assert_eq!(read["periods"], json!(quota.periods.len()));
    assert_eq!(
        read["windows"][0],
        json!([micros(quota.windows[0].start), micros(quota.windows[0].end)])
    );
    assert_eq!(read["graph"][1], json!([1_000_000, 0.06]));
    assert_eq!(read["moments"][0]["name"], "report");
}

#[test]
fn the_mix_of_any_stretch_is_that_of_its_spans() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.open(&sample::large(4, 20_000));
    let worst = browser.number(
        "(() => { let worst = 0; let seed = 7; const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
         for (let n = 0; n < 4000; n++) { const { track } = dunnage.data.processes[0].threads[n % 4];
           const from = random() ** 2 * 61e6 - 5e5, to = from + random() ** 6 * 30e6; const slow = new Float64Array(9);
           for (let i = 0; i < track.count; i++) { const a = Math.max(from, track.edges[i]), b = Math.min(to, track.edges[i + 1]);
             if (b > a) slow[track.what[i]] += b - a; }
           const fast = track.parts(from, to); for (let k = 0; k < 9; k++) worst = Math.max(worst, Math.abs(fast[k] - slow[k])); }
         return worst })()",
    );
    assert!(worst < 0.01, "{worst} µs");
}

#[test]
fn a_million_spans_are_drawn_at_once_and_zoomed_smoothly() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    // as high as it takes to have all lanes in view at once
    browser.resize(1440, 2100, 1.0, false);
    browser.open(&sample::large(50, 1_000_000));
    let first = browser.number("performance.getEntriesByType('paint')[0]?.startTime ?? -1");
    let drawn = browser.number("performance.getEntriesByName('dunnage-drawn')[0].startTime");
    browser.eval("document.getElementById('timeline').scrollIntoView(true)");
    browser.picture("large.png", false);
    let frames = browser.eval(
        "new Promise(done => { const times = []; let n = 0; const chart = dunnage.chart; let before = performance.now();
         const step = () => { const now = performance.now(); times.push(now - before); before = now;
           if (++n > 90) return done(times.slice(1)); chart.zoom(n < 45 ? 0.86 : 1 / 0.86); requestAnimationFrame(step); };
         requestAnimationFrame(step); })",
    );
    let mut times: Vec<f64> = frames
        .as_array()
        .unwrap()
        .iter()
        .map(|time| time.as_f64().unwrap())
        .collect();
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let lanes = browser.number("dunnage.chart.lanes.filter(lane => lane.visible).length");
    assert!(lanes >= 54.0, "{lanes} lanes in view");
    let script = browser.number("(() => { const begin = performance.now(); dunnage.chart.draw(); return performance.now() - begin })()");
    println!(
        "measured: first paint {first:.0} ms, lanes drawn {drawn:.0} ms, zoom {:.0} frames/s, slowest frame {:.0} ms, of which script {script:.1} ms",
        1000.0 / mean,
        times[times.len() - 1]
    );
    // far off what was measured on a quiet machine (docs/record.md): this one may be busy
    assert!(
        drawn < 10_000.0 && mean < 500.0,
        "{drawn} ms, {mean} ms a frame"
    );
    browser.assert_clean();
}
