//! Mouse, fingers and keys.

use serde_json::{Value, json};

use crate::browser::{self, Browser};
use crate::sample;

fn range(browser: &mut Browser) -> (f64, f64) {
    (
        browser.number("dunnage.chart.range.from"),
        browser.number("dunnage.chart.range.to"),
    )
}

#[test]
fn a_slow_request_is_zoomed_to_by_click_and_by_enter_and_shown_in_parts() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 900, 1.0, false);
    browser.open(&sample::stall());
    assert_eq!(range(&mut browser), (0.0, 24e6));
    browser.eval(
        "document.querySelectorAll('#slowest button')[1].scrollIntoView({ block: 'center' })",
    );
    let place = browser.eval(
        "(() => { const box = document.querySelectorAll('#slowest button')[1].getBoundingClientRect(); return [box.x + 20, box.y + 10] })()",
    );
    let (x, y) = (place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
    let press = json!({"button": "left", "clickCount": 1});
    browser.mouse("mousePressed", x, y, &press);
    browser.mouse("mouseReleased", x, y, &press);
    browser.settle();
    let (from, to) = range(&mut browser);
    // the request from 6.030 s to 6.322 s, with a margin
    assert!(
        (5.9e6..6.03e6).contains(&from) && (6.322e6..6.5e6).contains(&to),
        "{from} {to}"
    );
    let rows = browser.text("document.querySelector('#detail').innerText");
    for said in [
        "took 292 ms",
        "79 %",
        "230 ms",
        "holder throttled (nightly-report)",
        "2.00 ms",
    ] {
        assert!(rows.contains(said), "{said}: {rows}");
    }
    browser.press("Home");
    assert_eq!(range(&mut browser), (0.0, 24e6));
    browser.eval("document.querySelectorAll('#slowest button')[0].focus()");
    browser.press("Enter");
    let (from, to) = range(&mut browser);
    assert!(
        (1.9e6..2.03e6).contains(&from) && (2.322e6..2.5e6).contains(&to),
        "{from} {to}"
    );
    browser.assert_clean();
}

#[test]
fn everything_is_done_by_keys() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 900, 1.0, false);
    browser.open(&sample::stall());
    let whole = (0.0, 24e6);
    for (key, expected) in [
        ("+", (6e6, 18e6)),
        ("ArrowRight", (8.4e6, 20.4e6)),
        ("a", (6e6, 18e6)),
        ("w", (9e6, 15e6)),
        ("s", (6e6, 18e6)),
        ("ArrowLeft", (3.6e6, 15.6e6)),
        ("d", (6e6, 18e6)),
        ("-", whole),
        ("ArrowLeft", whole),
    ] {
        browser.press(key);
        assert_eq!(range(&mut browser), expected, "{key}");
    }
    browser.press("n");
    browser.press("n");
    assert!(
        browser
            .text("document.querySelector('[aria-current]').innerText")
            .contains("request 121")
    );
    browser.press("p");
    assert!(
        browser
            .text("document.querySelector('[aria-current]').innerText")
            .contains("request 41")
    );
    browser.press("Escape");
    assert_eq!(range(&mut browser), whole);
    browser.press("?");
    assert_eq!(browser.eval("document.getElementById('help').open"), true);
    browser.picture("help.png", false);
    browser.press("?");
    assert_eq!(browser.eval("document.getElementById('help').open"), false);
    let before = browser.text("getComputedStyle(document.body).backgroundColor");
    browser.press("t");
    assert_ne!(
        browser.text("getComputedStyle(document.body).backgroundColor"),
        before
    );
    // the order of Tab is that of the page, and where it is can be seen
    browser.open(&sample::stall());
    let mut order = Vec::new();
    for _ in 0..8 {
        browser.press("Tab");
        order.push(browser.text("document.activeElement.id || document.activeElement.className || document.activeElement.innerText"));
        let outline = browser.text("getComputedStyle(document.activeElement).outlineStyle");
        assert_eq!(outline, "solid", "{order:?}");
    }
    assert_eq!(
        order[..7],
        [
            "skip",
            "theme",
            "show-help",
            "worst-zoom",
            "zoom-out",
            "zoom-in",
            "zoom-all"
        ],
        "{order:?}"
    );
    browser.assert_clean();
}

#[test]
fn mouse_and_fingers_zoom_where_they_are() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 900, 1.0, false);
    browser.open(&sample::stall());
    let place = browser.eval(
        "(() => { document.getElementById('timeline').scrollIntoView(true); const box = document.querySelector('#lanes .lane-graph .field').getBoundingClientRect(); return [box.x, box.y + 20, box.width] })()",
    );
    let at = |n: usize| place[n].as_f64().unwrap();
    let (left, y, width) = (at(0), at(1), at(2));
    let middle = left + width / 2.0;
    browser.mouse(
        "mouseWheel",
        middle,
        y,
        &json!({"deltaX": 0, "deltaY": -240, "modifiers": 2}),
    );
    browser.settle();
    let (from, to) = range(&mut browser);
    assert!(
        to - from < 16e6 && (f64::midpoint(from, to) - 12e6).abs() < 2e4,
        "{from} {to}"
    );
    // a wheel by itself is the page's
    browser.mouse(
        "mouseWheel",
        middle,
        y,
        &json!({"deltaX": 0, "deltaY": 0.5}),
    );
    assert_eq!(range(&mut browser), (from, to));
    browser.press("Home");
    let press = json!({"button": "left", "buttons": 1, "clickCount": 1});
    browser.mouse("mousePressed", left + width * 0.25, y, &press);
    browser.mouse("mouseMoved", left + width * 0.4, y, &press);
    browser.mouse("mouseMoved", left + width * 0.5, y, &press);
    browser.picture("drag.png", false);
    browser.mouse("mouseReleased", left + width * 0.5, y, &press);
    browser.settle();
    let (from, to) = range(&mut browser);
    assert!(
        (from - 6e6).abs() < 3e4 && (to - 12e6).abs() < 3e4,
        "{from} {to}"
    );
    browser.mouse("mouseMoved", left + width * 0.3, y, &json!({}));
    browser.settle();
    let tip = browser.text("document.getElementById('tip').innerText");
    assert!(
        tip.contains("of the limit") && tip.contains("02:14:"),
        "{tip}"
    );

    browser.resize(390, 844, 2.0, true);
    browser.open(&sample::stall());
    let top = browser.number(
        "(() => { document.getElementById('lanes').scrollIntoView(true); return document.querySelector('#lanes .lane-requests .field').getBoundingClientRect().y + 30 })()",
    );
    let touch = |kind: &str, points: &[f64]| {
        let points: Vec<Value> = points
            .iter()
            .enumerate()
            .map(|(id, x)| json!({"x": x, "y": top, "id": id}))
            .collect();
        json!({"type": kind, "touchPoints": points})
    };
    browser.call(
        "Input.dispatchTouchEvent",
        &touch("touchStart", &[150.0, 250.0]),
    );
    for spread in [20.0, 50.0, 90.0] {
        browser.call(
            "Input.dispatchTouchEvent",
            &touch("touchMove", &[150.0 - spread, 250.0 + spread]),
        );
    }
    browser.call("Input.dispatchTouchEvent", &touch("touchEnd", &[]));
    browser.settle();
    let (from, to) = range(&mut browser);
    assert!((6e6..10e6).contains(&(to - from)), "{from} {to}");
    browser.assert_clean();
}
