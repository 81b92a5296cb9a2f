//! The result for people: columns by blanks, a verdict in words, nothing that needs colour.

use super::Check;
use super::judge::Trio;
use std::fmt::Write as _;

const HEAD: [&str; 5] = ["scenario", "plain python", "tini", "dunnage run", ""];

/// What was counted, under each init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    what: String,
    cells: [String; 3],
}

impl Row {
    /// For what is not compared under each init.
    pub(super) fn of_cells(what: &str, cells: [String; 3]) -> Self {
        Self {
            what: what.to_owned(),
            cells,
        }
    }

    pub(super) fn new<T>(what: &str, trio: &Trio<T>, show: impl Fn(&T) -> String) -> Self {
        let tini = trio.tini.as_ref().map_or_else(|| "–".to_owned(), &show);
        Self {
            what: what.to_owned(),
            cells: [show(&trio.plain), tini, show(&trio.dunnage)],
        }
    }
}

/// 20,000 rather than 20000.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The table and, below it, what could not be judged and why.
pub(super) fn render(checks: &[Check]) -> String {
    let mut lines: Vec<[String; 5]> = vec![HEAD.map(str::to_owned)];
    let mut scenario = "";
    for check in checks {
        if check.scenario != scenario {
            scenario = check.scenario;
            lines.push([scenario, "", "", "", ""].map(str::to_owned));
        }
        if check.rows.is_empty() {
            let verdict = check.verdict.words().to_owned();
            lines.push([
                format!("  {}", check.name),
                String::new(),
                String::new(),
                String::new(),
                verdict,
            ]);
        }
        for (index, row) in check.rows.iter().enumerate() {
            let [plain, tini, dunnage] = row.cells.clone();
            let verdict = if index == 0 {
                check.verdict.words()
            } else {
                ""
            };
            lines.push([
                format!("  {}", row.what),
                plain,
                tini,
                dunnage,
                verdict.to_owned(),
            ]);
        }
    }
    let mut text = align(&lines);
    for check in checks {
        if !check.notes.is_empty() {
            let _ = write!(text, "\n{}:\n", check.scenario);
        }
        for note in &check.notes {
            let _ = writeln!(text, "  {note}");
        }
        if let Some(reason) = &check.reason {
            let _ = writeln!(
                text,
                "\n{} {}: {reason}",
                check.scenario,
                check.verdict.words()
            );
        }
    }
    text
}

fn align(lines: &[[String; 5]]) -> String {
    let mut widths = [0; 5];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut padded = String::new();
        for (width, cell) in widths.iter().zip(line) {
            let _ = write!(padded, "{cell:<width$}  ");
        }
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Count, Verdict};
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown = [0, 999, 1000, 20_000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "20,000", "1,234,567"]);
    }

    #[test]
    fn a_table_shows_counts_verdicts_and_why_something_was_not_run() {
        let counts = Trio {
            plain: Count { good: 0, of: 2 },
            tini: None,
            dunnage: Count { good: 2, of: 2 },
        };
        let row = Row::new("finished", &counts, |count| {
            format!("{} of {}", count.good, count.of)
        });
        let checks = [
            Check::new(
                "shutdown",
                "grandchildren",
                &counts,
                Verdict::Better,
                vec![row],
            )
            .unwrap(),
            Check::not_run("throttle", "needs NumPy".to_owned()),
        ];
        let lines: Vec<String> = render(&checks).lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "scenario    plain python  tini  dunnage run",
                "shutdown",
                "  finished  0 of 2        –     2 of 2       better",
                "throttle",
                "  throttle                                   not run",
                "",
                "throttle not run: needs NumPy",
            ]
        );
    }
}
