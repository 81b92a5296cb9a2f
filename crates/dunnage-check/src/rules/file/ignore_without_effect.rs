//! FILE002.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Edit, Fix};
use crate::places::Places;
use crate::rules::{self, Context, Family, Persona, rule};
use crate::source::{Location, Span};
use crate::suppress::{Suppression, Suppressions};

rule! {
    /// ## What it finds
    ///
    /// A comment `# dunnage: ignore[…]` that silences nothing: the rule does not find anything there (any more), the id is
    /// no rule's, or no rule is named.
    ///
    /// ## Why
    ///
    /// A comment whose cause is gone hides the next real finding at that line, and tells the reader that there is a problem
    /// where there is none. An ignore must name its rules: one for everything would hide what nobody has decided about.
    ///
    /// ## Example
    ///
    /// ```dockerfile
    /// # dunnage: ignore[PID001] it is a tool
    /// CMD ["python", "-m", "shop"]
    /// ```
    ///
    /// ## Instead
    ///
    /// ```dockerfile
    /// CMD ["python", "-m", "shop"]
    /// ```
    ///
    /// ## Fix
    ///
    /// Safe: the comment goes, or the id that has no effect if others have one. Only comments change.
    pub(in crate::rules) static RULE = {
        id: "FILE002",
        name: "ignore-without-effect",
        title: "a comment ignores what is not there",
        family: Family::File,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "",
        check: check,
    };
}

/// Comes after all other rules, and looks at what they have found.
fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let places = Places::new(context.repository, "");
    let suppressions = Suppressions::of(context.repository, &places);
    let used = suppressions.used(findings, &places);
    let mut idle = Vec::new();
    for one in suppressions.iter() {
        judge(one, |id| used.has(one, id), &places, &mut idle);
    }
    findings.extend(idle);
}

fn judge(
    one: &Suppression,
    is_used: impl Fn(&str) -> bool,
    places: &Places<'_>,
    findings: &mut Vec<Finding>,
) {
    if one.ids.is_empty() {
        let message = "this ignore names no rule and ignores nothing: write ignore[ID] reason";
        findings.push(Finding::new(&RULE, one.at, message));
        return;
    }
    let is_all_idle = one.ids.iter().all(|(id, _)| !is_used(id));
    for (index, (id, at)) in one.ids.iter().enumerate() {
        if is_used(id) {
            continue;
        }
        let message = if rules::find(id).is_none_or(|rule| !rule.id.eq_ignore_ascii_case(id)) {
            format!("{id} is no rule's id")
        } else if one.line.is_some() {
            format!("{id} finds nothing here, so this comment has no effect")
        } else {
            format!("{id} finds nothing in this file, so this comment has no effect")
        };
        let finding = Finding::new(&RULE, *at, message);
        let remove = |span| {
            let text = String::new();
            let file = at.file;
            vec![Edit { file, span, text }]
        };
        findings.push(if !is_all_idle {
            let title = format!("remove {id} from the comment");
            finding.fix(Fix::safe(title, remove(without(one, index))))
        } else if index == 0 {
            finding.fix(Fix::safe("remove the comment", remove(whole(one, places))))
        } else {
            // the comment goes once, by the first of its ids
            finding
        });
    }
}

/// From the `#` to the end of its line, with the line if nothing else is on it, else with the blanks before.
fn whole(one: &Suppression, places: &Places<'_>) -> Span {
    let line = places.line_span(one.at);
    let text = places.line(one.at.file, places.start(one.at).line);
    let column = (one.at.span.start - line.start) as usize;
    let before = text.get(..column).unwrap_or_default();
    let code = before.trim_end().trim_end_matches('#').trim_end();
    if code.is_empty() {
        return line;
    }
    Span {
        start: line.start + code.len() as u32,
        end: line.start + text.len() as u32,
    }
}

/// An id with the comma that joins it to its neighbour.
fn without(one: &Suppression, index: usize) -> Span {
    let place = |index: usize| {
        one.ids
            .get(index)
            .map(|(_, at): &(String, Location)| at.span)
    };
    let span = place(index).unwrap_or_default();
    match (index.checked_sub(1).and_then(place), place(index + 1)) {
        (_, Some(next)) => Span {
            start: span.start,
            end: next.start,
        },
        (Some(previous), None) => Span {
            start: previous.end,
            end: span.end,
        },
        (None, None) => span,
    }
}
