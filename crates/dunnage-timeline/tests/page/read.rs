//! What a person reads, on screens and on paper.

use dunnage_timeline::Timeline;
use dunnage_timeline::page::render_page;
use serde_json::json;

use crate::drawn::{colours_of, show};
use crate::sample::{self, FIRST_STALL, MS};
use crate::{browser, verdict::verdict};

#[test]
fn the_verdict_is_there_without_a_script() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        &json!({"value": true}),
    );
    browser.resize(1440, 900, 1.0, false);
    let timeline = sample::stall();
    browser.open_text(&render_page(&timeline, &verdict(&timeline)));
    assert!(
        browser
            .text("document.querySelector('h1').innerText")
            .contains("292 ms")
    );
    let words = browser.text("document.querySelector('main').innerText");
    for said in [
        "35 %",
        "Raise the CPU limit",
        "frozen lock",
        "1.04 ms at the median",
        "18 of 236 periods",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    let bottom = browser.number("document.querySelector('.fixes').getBoundingClientRect().bottom");
    assert!(
        bottom < 900.0,
        "what to do is on the first screen: {bottom}"
    );
}

/// The page without what is the same on each, and without the packed data.
fn words_of(page: &str) -> String {
    let mut words = page.to_owned();
    for (begin, end) in [
        ("<style>", "</style>"),
        ("<script>", "</script>"),
        ("id=\"data\">", "</script>"),
        ("sha256-", "'"),
        ("sha256-", "'"),
        ("<svg class=\"defs\"", "</svg>"),
        ("<table>", "</table>"),
        ("complete: ", " KB"),
    ] {
        let from = words.find(begin).unwrap() + begin.len();
        let to = from + words[from..].find(end).unwrap();
        words.replace_range(from..to, "…");
        // so that the second of a kind is found next
        words = words.replacen("sha256-…", "sha256…", 1);
    }
    words
}

#[test]
fn the_words_of_the_page() {
    let mut timeline = sample::stall();
    timeline.requests.truncate(45);
    insta::assert_snapshot!(words_of(&render_page(&timeline, &verdict(&timeline))));
}

#[test]
fn it_shows_what_there_is_where_parts_are_missing() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 1400, 1.0, false);
    let nothing = Timeline {
        processes: Vec::new(),
        quota: None,
        requests: Vec::new(),
        moments: Vec::new(),
        ..sample::stall()
    };
    browser.open(&nothing);
    assert_eq!(
        browser.eval("document.getElementById('worst').hidden"),
        true
    );

    let mut bare = sample::stall();
    bare.quota = None;
    bare.processes[0].has_gil = false;
    bare.processes[0].python = None;
    bare.stalls = bare.requests.drain(40..43).collect();
    bare.requests.clear();
    browser.open(&bare);
    let words = browser.text("document.querySelector('main').innerText");
    assert!(words.contains("The longest stall took 292 ms"), "{words}");
    assert!(
        !words.contains("Who holds the GIL") && !words.contains("The quota"),
        "{words}"
    );
    browser.picture("bare.png", true);

    let mut two = sample::stall();
    two.processes.push(two.processes[0].clone());
    two.processes[1].pid = 13;
    // an index that a hostile recording may hold
    two.requests[40].process = 7;
    two.requests[41].thread = Some(99);
    two.requests[42].thread = None;
    browser.open(&two);
    assert_eq!(
        browser.eval("document.querySelectorAll('.process').length"),
        2
    );
    browser.press("n");
    browser.press("n");
    browser.assert_clean();

    let mut names = sample::stall();
    names.requests[40].name = "import".to_owned();
    browser.open(&names);
    assert_eq!(browser.eval("dunnage.shown.list.length"), 479);
    browser.eval("document.querySelectorAll('#names button')[1].click()");
    assert_eq!(browser.eval("dunnage.shown.list.length"), 1);
    assert!(
        browser
            .text("document.getElementById('slowest').innerText")
            .contains("import 41")
    );
    assert!(
        browser
            .text("document.getElementById('latency-words').innerText")
            .contains("1 × import")
    );
    browser.assert_clean();

    let mut quiet = sample::stall();
    for thread in &mut quiet.processes[0].threads {
        thread.spans.clear();
    }
    browser.open(&quiet);
    browser.eval("document.querySelector('.quiet').click()");
    browser.assert_clean();
}

#[test]
fn the_size_that_it_says_is_its_size() {
    let timeline = sample::stall();
    let page = render_page(&timeline, &verdict(&timeline));
    let said = page
        .split_once("This file is complete: ")
        .and_then(|(_, rest)| rest.split_once(" KB"))
        .unwrap()
        .0;
    let said: usize = said.parse().unwrap();
    assert!(
        said.abs_diff(page.len().div_ceil(1000)) <= 1,
        "{said} KB, {} bytes",
        page.len()
    );
}

#[test]
fn it_fits_a_desk_a_tablet_and_a_phone_in_light_and_dark() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    for (width, height, ratio) in [(1440, 900, 1.0), (768, 1024, 1.0), (390, 844, 2.0)] {
        for scheme in ["light", "dark"] {
            browser.resize(width, height, ratio, width < 500);
            browser.prefer(scheme);
            browser.open(&sample::stall());
            let name = format!("{width}-{scheme}");
            let wide = browser.number("document.documentElement.scrollWidth");
            assert!(wide <= f64::from(width), "{name}: {wide}");
            let background = browser.text("getComputedStyle(document.body).backgroundColor");
            assert_eq!(
                background,
                if scheme == "dark" {
                    "rgb(16, 19, 23)"
                } else {
                    "rgb(247, 247, 245)"
                }
            );
            browser.picture(&format!("first-{name}.png"), false);
            browser.picture(&format!("whole-{name}.png"), true);
        }
    }
    browser.assert_clean();
}

#[test]
fn paper_gets_all_of_it_in_light() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 900, 1.0, false);
    browser.prefer("dark");
    browser.open(&sample::stall());
    let pdf = browser.print("page.pdf");
    let pages = String::from_utf8_lossy(&pdf)
        .matches("/Type /Page\n")
        .count();
    assert!((1..=4).contains(&pages), "{pages} pages");
    browser.settle();
    browser.eval("window.dispatchEvent(new Event('beforeprint'))");
    show(&mut browser, FIRST_STALL, FIRST_STALL + 300 * MS);
    let running = colours_of(&mut browser, "running");
    assert_eq!(running, ["0,158,115"], "the light palette");
    browser.eval("window.dispatchEvent(new Event('afterprint'))");
    assert_ne!(colours_of(&mut browser, "running"), running);
    browser.assert_clean();
}
