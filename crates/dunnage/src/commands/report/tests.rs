//! Reports of recorded files.

use super::*;

const PLAIN: Style = Style {
    unicode: false,
    bold: false,
};

fn fixture(name: &str) -> RecordFile {
    let path = format!(
        "{}/../../fixtures/report/{name}/record.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    read_record(Path::new(&path)).unwrap()
}

fn report(file: &RecordFile) -> Report<'_> {
    Report {
        path: "/reports/dunnage-20261129T155100.000Z-shop-6d4f8.jsonl".to_owned(),
        file,
        record: file.last_record(),
        is_alive: false,
    }
}

#[test]
fn a_worker_that_grew_is_read_at_night_from_top_to_bottom() {
    insta::assert_snapshot!(report(&fixture("growth")).render_text(PLAIN));
}

#[test]
fn a_record_that_breaks_off_shows_what_was_written() {
    let style = Style {
        unicode: true,
        bold: true,
    };
    insta::assert_snapshot!(report(&fixture("torn")).render_text(style));
}

#[test]
fn a_page_holds_everything_and_runs_nothing() {
    let page = report(&fixture("growth")).render(Format::Html).unwrap();
    insta::assert_snapshot!(page);
    assert!(!page.contains("<script") && !page.contains("<b>") && !page.contains("://"));
}

#[test]
fn json_holds_the_whole_story() {
    let file = fixture("growth");
    let json: serde_json::Value =
        serde_json::from_str(&report(&file).render(Format::Json).unwrap()).unwrap();
    assert_eq!(json["schema"], "dunnage.report/1");
    assert_eq!(
        json["records"][0]["tracebacks"][0]["threads"][0]["frames"][2]["line"],
        41
    );
    assert_eq!(json["records"][0]["pss"]["18"], 131 << 20);
    assert!(
        json["reading"]
            .as_str()
            .unwrap()
            .contains("shop/report.py:41")
    );
    assert!(json["ended"].is_null());
}

#[test]
fn a_file_without_a_record_says_what_it_knows() {
    let line = r#"{"part":"run","schema":"dunnage.record/1","time":"2026-11-29T15:51:00Z","command":"python app.py"}"#;
    let file = parse_record(line.as_bytes());
    let text = report(&file).render_text(PLAIN);
    assert!(
        text.starts_with("No memory record of python app.py\n"),
        "{text}"
    );
    assert!(text.contains("ended without a word"), "{text}");
    assert!(report(&file).render_html().contains("ended without a word"));
}

/// Whatever stands in a file, the report is one: nothing that steers a terminal, and no element of the file's own.
fn is_harmless(bytes: &[u8]) {
    let file = parse_record(bytes);
    let report = report(&file);
    let text = report.render_text(PLAIN);
    assert!(
        text.chars()
            .all(|letter| letter == '\n' || !letter.is_control()),
        "{text:?}"
    );
    let page = report.render_html();
    assert!(!page.contains("<script") && !page.contains("<img"));
    report.render(Format::Json).unwrap();
}

#[test]
fn a_hostile_record_is_printed_and_not_obeyed() {
    let evil = "\\u001b]0;x\\u0007</pre></svg><script>1</script><img src=x>\\u202e\\n\\\"'";
    let whole = std::fs::read_to_string(format!(
        "{}/../../fixtures/report/growth/record.jsonl",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap();
    for text in [
        "gunicorn -w 3 shop.wsgi",
        "shop-6d4f8",
        "growth",
        "build",
        "MainThread",
        "3.12.1",
        "2026",
    ] {
        is_harmless(whole.replace(text, evil).as_bytes());
    }
    for number in [
        "244318208",
        "134217728",
        "60000",
        "18400000.0",
        "1260",
        "12327",
        "95420416",
    ] {
        assert!(whole.contains(number), "{number}");
        for strange in [
            "0",
            "1",
            "4294967295",
            "18446744073709551615",
            "-9223372036854775808",
            "1e300",
            "-0.0",
        ] {
            is_harmless(whole.replace(number, strange).as_bytes());
        }
    }
    for end in (0..whole.len()).step_by(97) {
        is_harmless(&whole.as_bytes()[..end]);
    }
}
