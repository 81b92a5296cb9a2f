//! Names from outside, and what becomes of them.

use dunnage_timeline::Timeline;
use dunnage_timeline::page::render_page;

use crate::{browser, sample, verdict::verdict};

/// Text that does harm wherever it is not a text.
const HOSTILE: &str = "</script></title><img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script><!--{{facts}}'&";

fn hostile() -> Timeline {
    let mut timeline = sample::stall();
    timeline.about.dunnage = HOSTILE.into();
    timeline.about.kernel = HOSTILE.into();
    timeline.about.started = HOSTILE.into();
    timeline.quality.permission = HOSTILE.into();
    timeline.quality.notes = vec![HOSTILE.to_owned()];
    let process = &mut timeline.processes[0];
    process.command = HOSTILE.into();
    process.python = Some(HOSTILE.to_owned());
    for thread in &mut process.threads {
        thread.name = HOSTILE.into();
    }
    for request in &mut timeline.requests {
        request.name = HOSTILE.into();
    }
    timeline.moments[0].name = HOSTILE.into();
    if let Some(quota) = &mut timeline.quota {
        quota.source = HOSTILE.into();
    }
    timeline
}

#[test]
fn names_from_outside_stay_text() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    browser.resize(1440, 900, 1.0, false);
    let timeline = hostile();
    let mut verdict = verdict(&timeline);
    for text in [
        &mut verdict.headline,
        &mut verdict.graph,
        &mut verdict.happened,
        &mut verdict.cause,
    ] {
        HOSTILE.clone_into(text);
    }
    HOSTILE.clone_into(&mut verdict.fixes[0].text);
    verdict.fixes[0].setting = Some(HOSTILE.to_owned());
    browser.open_text(&render_page(&timeline, &verdict));
    browser.wait_for("document.documentElement.dataset.drawn !== undefined");
    assert_eq!(
        browser.eval("window.pwned === undefined && document.querySelectorAll('img').length === 0"),
        true
    );
    assert_eq!(browser.eval("document.scripts.length"), 3);
    assert_eq!(
        browser.text("document.querySelector('h1').textContent"),
        HOSTILE
    );
    let name = browser.text("document.querySelector('.lane-thread b').textContent");
    assert!(name.starts_with(HOSTILE), "{name}");
    browser.assert_clean();
}

#[test]
fn what_gets_past_the_escaping_is_dead() {
    let Some(mut browser) = browser::start() else {
        return;
    };
    let timeline = sample::stall();
    let page = render_page(&timeline, &verdict(&timeline)).replace(
        "<main>",
        "<main><script>window.pwned=1</script><img src=x onerror=\"window.pwned=1\"><style>body{opacity:0}</style>",
    );
    browser.open_text(&page);
    browser.wait_for("document.documentElement.dataset.drawn !== undefined");
    assert_eq!(browser.eval("window.pwned === undefined"), true);
    assert_eq!(browser.text("getComputedStyle(document.body).opacity"), "1");
    let refused = browser
        .complaints
        .iter()
        .filter(|text| text.contains("Content Security Policy"));
    assert!(refused.count() >= 4, "{:?}", browser.complaints);
}
