//! The picture of a demo's result, from what `dunnage demo --format json` printed: `docs/demo.svg`.

use std::fmt::Write;
use std::io::Read;

use anyhow::{Context, Result};
use serde_json::Value;

/// Those that are compared: their name in the report, in the picture, and their colour.
const WHO: [(&str, &str, &str); 3] = [
    ("plain", "plain Python", "#c2564b"),
    ("tini", "tini", "#c9973f"),
    ("dunnage", "dunnage run", "#3f8f5f"),
];

/// One comparison: where its number stands in the report and what it means.
struct Row {
    who: &'static [(&'static str, &'static str, &'static str); 3],
    check: &'static str,
    field: &'static str,
    title: &'static str,
    better: &'static str,
    /// A number of the report divided by this is what is shown.
    unit: f64,
    suffix: &'static str,
}

/// The places that the service which stalls is in.
const WHERE: [(&str, &str, &str); 3] = [
    ("limited", "0.2 CPUs", "#c2564b"),
    ("unlimited", "no quota", "#3f8f5f"),
    ("contended", "busy host", "#8a8a86"),
];

const ROWS: [Row; 8] = [
    Row {
        who: &WHO,
        check: "shell_form",
        field: "good",
        title: "Shell-form command: shutdowns with their cleanup done, of 12",
        better: "more is better",
        unit: 1.0,
        suffix: "",
    },
    Row {
        who: &WHO,
        check: "grandchildren",
        field: "good",
        title: "Grandchildren that finished their work, of 2",
        better: "more is better",
        unit: 1.0,
        suffix: "",
    },
    Row {
        who: &WHO,
        check: "orphans",
        field: "left",
        title: "Zombies left of 20,000 orphans",
        better: "less is better",
        unit: 1.0,
        suffix: "",
    },
    Row {
        who: &WHO,
        check: "matmul",
        field: "throttled",
        title: "NumPy at a quota of 1 CPU: throttled periods",
        better: "less is better",
        unit: 1.0,
        suffix: "",
    },
    Row {
        who: &WHO,
        check: "matmul",
        field: "probe_p99_usec",
        title: "… and a 1 ms timer in the same process: p99",
        better: "less is better",
        unit: 1000.0,
        suffix: " ms",
    },
    Row {
        who: &WHERE,
        check: "gil_held",
        field: "p99_usec",
        title: "One call of 80 ms holds the GIL each 4 s: p99 of requests",
        better: "what dunnage record explains",
        unit: 1000.0,
        suffix: " ms",
    },
    Row {
        who: &WHO,
        check: "fragments",
        field: "tables",
        title: "A batch that fragments, at 256 MiB: tables finished, of 3",
        better: "more is better",
        unit: 1.0,
        suffix: "",
    },
    Row {
        who: &WHO,
        check: "workers",
        field: "lost",
        title: "Two gunicorn workers that leak, at 256 MiB: answers lost",
        better: "less is better",
        unit: 1.0,
        suffix: "",
    },
];

const WIDTH: f64 = 860.0;
const LABEL: f64 = 130.0;
const BAR: f64 = 560.0;
const LINE: f64 = 24.0;

/// Reads a report from stdin and draws it.
pub fn draw_from_stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(1 << 20)
        .read_to_string(&mut text)
        .context("cannot read the report from stdin")?;
    let report: Value = serde_json::from_str(&text)
        .context("stdin holds no report of `dunnage demo --format json`")?;
    draw(&report)
}

fn draw(report: &Value) -> Result<String> {
    let row_height = LINE * 4.6;
    let height = 30.0 + row_height * ROWS.len() as f64 + 24.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\" role=\"img\">\n\
         <title>dunnage demo: plain Python, tini and dunnage run side by side</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#fbfaf7\"/>\n"
    );
    let mut y = 34.0;
    for row in &ROWS {
        draw_row(&mut svg, report, row, y)?;
        y += row_height;
    }
    let machine = |name: &str| {
        report
            .pointer(&format!("/machine/{name}"))
            .map(shown)
            .unwrap_or_default()
    };
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{y:.0}\" font-size=\"12\" fill=\"#666\">{} · {} CPUs, kernel {}, cgroup {} · Python {}, NumPy {}, tini {}</text>",
        report.get("time").map(shown).unwrap_or_default(),
        machine("cpus"),
        machine("kernel"),
        machine("cgroup"),
        machine("python"),
        machine("numpy"),
        machine("tini"),
    );
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn draw_row(svg: &mut String, report: &Value, row: &Row, top: f64) -> Result<()> {
    let counted = report
        .get("checks")
        .and_then(Value::as_array)
        .and_then(|checks| {
            checks
                .iter()
                .find(|check| check.get("name").is_some_and(|name| name == row.check))
        })
        .and_then(|check| check.get("counted"))
        .with_context(|| format!("the report has no check {}", row.check))?;
    let values: Vec<Option<f64>> = row
        .who
        .iter()
        .map(|(name, _, _)| counted.get(name)?.get(row.field)?.as_f64())
        .collect();
    let most = values
        .iter()
        .flatten()
        .fold(0.0_f64, |most, value| most.max(*value));
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{top:.0}\" font-weight=\"600\" fill=\"#222\">{}</text>\
         <text x=\"{:.0}\" y=\"{top:.0}\" text-anchor=\"end\" font-size=\"12\" fill=\"#666\">{}</text>",
        row.title,
        WIDTH - 20.0,
        row.better
    );
    for (index, ((_, label, colour), value)) in row.who.iter().zip(&values).enumerate() {
        let y = top + LINE * (index as f64 + 1.0);
        let width = value
            .filter(|_| most > 0.0)
            .map_or(0.0, |value| BAR * value / most)
            .max(1.5);
        let text = value.map_or_else(
            || "not installed".to_owned(),
            |value| number(value / row.unit) + row.suffix,
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"end\" fill=\"#444\">{label}</text>\
             <rect x=\"{:.0}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"16\" rx=\"2\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" fill=\"#222\">{text}</text>",
            LABEL - 8.0,
            y + 1.0,
            LABEL,
            y - 12.0,
            LABEL + width + 8.0,
            y + 1.0
        );
    }
    Ok(())
}

/// A count, or one decimal of what is none; thousands are set apart.
fn number(value: f64) -> String {
    let text = if value.fract() == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    };
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), String::new()), |(whole, rest)| {
            (whole, format!(".{rest}"))
        });
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

/// A value of the report as text that is safe within a picture.
fn shown(value: &Value) -> String {
    let text = value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned);
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [number(20000.0), number(0.0), number(1.25), number(999.0)],
            ["20,000", "0", "1.2", "999"]
        );
    }

    #[test]
    fn every_number_of_the_report_is_in_the_picture() {
        let check =
            |name: &str, counted: Value| serde_json::json!({"name": name, "counted": counted});
        let three = |field: &str, values: [u64; 3]| serde_json::json!({"plain": {field: values[0]}, "tini": {field: values[1]}, "dunnage": {field: values[2]}});
        let mut matmul = three("throttled", [27, 26, 0]);
        for (who, usec) in [("plain", 47_813), ("tini", 47_900), ("dunnage", 1241)] {
            matmul[who]["probe_p99_usec"] = usec.into();
        }
        let report = serde_json::json!({
            "time": "2026-01-01T00:00:00Z", "machine": {"cpus": 2},
            "checks": [check("shell_form", three("good", [0, 1, 12])), check("grandchildren", three("good", [0, 0, 2])),
                check("gil_held", serde_json::json!({"limited": {"p99_usec": 412_345}, "unlimited": {"p99_usec": 61_000}, "contended": {"p99_usec": 97_000}})),
                check("orphans", three("left", [20000, 3, 0])), check("matmul", matmul),
                check("fragments", three("tables", [0, 1, 3])), check("workers", three("lost", [9, 8, 0]))]
        });
        let svg = draw(&report).unwrap();
        for text in [
            ">12<",
            ">20,000<",
            ">3<",
            ">27<",
            ">9<",
            ">47.8 ms<",
            ">1.2 ms<",
            ">412.3 ms<",
            ">no quota<",
            "2026-01-01",
        ] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(
            draw(&serde_json::json!({}))
                .unwrap_err()
                .to_string()
                .contains("shell_form")
        );
    }
}
