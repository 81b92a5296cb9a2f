//! `dunnage explain`: what a rule or an event means, why it hurts, and what to do, without a browser.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use dunnage_check::render::{confidence_name, page, persona_name, severity_name};
use dunnage_check::rules::{self, Rule};
use dunnage_cli::output::{self, Format};
use dunnage_policy::event::{CATALOGUE, EventDoc};
use serde_json::{Value, json};

use crate::check::{Color, style};

/// Explain rules of `check` and `doctor` and events of `run`: the mechanism, an example, what mends it. Without a word, list
/// them.
#[derive(Debug, Args)]
pub struct ExplainCommand {
    /// Ids (`PID001`), names (`shell-form`), families (`PID`), events (`zombies-reaped`)
    #[arg(value_name = "RULE|EVENT")]
    words: Vec<String>,

    /// `text` for people, `json` for programs
    #[arg(
        long,
        value_enum,
        default_value = "text",
        value_name = "text|json",
        hide_possible_values = true
    )]
    format: Format,

    /// Colours: `auto` has them on a terminal without NO_COLOR
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        value_name = "auto|always|never",
        hide_possible_values = true
    )]
    color: Color,
}

/// Something that can be explained.
enum Subject {
    Rule(&'static Rule),
    Event(&'static EventDoc),
}

/// Explains, or lists.
pub fn run(args: &ExplainCommand) -> anyhow::Result<ExitCode> {
    let mut subjects = Vec::new();
    for word in &args.words {
        let found = find(word);
        if found.is_empty() {
            bail!("no rule and no event is called {word}; `dunnage explain` lists them");
        }
        subjects.extend(found);
    }
    let is_list = subjects.is_empty();
    if is_list {
        subjects.extend(rules::all().map(Subject::Rule));
        subjects.extend(CATALOGUE.iter().map(Subject::Event));
    }
    let text = match args.format {
        Format::Json => to_json(&subjects),
        Format::Text if is_list => list(&subjects),
        Format::Text => {
            let pages: Vec<String> = subjects.iter().map(Subject::page).collect();
            page::render(&pages.join("\n\n"), style(args.color))
        }
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn find(word: &str) -> Vec<Subject> {
    if let Some(rule) = rules::find(word) {
        return vec![Subject::Rule(rule)];
    }
    let family = word.to_ascii_uppercase();
    let is_family = |rule: &&Rule| {
        let digits = rule.id.strip_prefix(family.as_str());
        digits.is_some_and(|rest| rest.len() == 3)
    };
    let events = CATALOGUE.iter().filter(|event| event.name == word);
    rules::all()
        .filter(is_family)
        .map(Subject::Rule)
        .chain(events.map(Subject::Event))
        .collect()
}

impl Subject {
    fn name(&self) -> String {
        match self {
            Self::Rule(rule) => format!("{} {}", rule.id, rule.name),
            Self::Event(event) => event.name.to_owned(),
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.title,
            Self::Event(event) => event.when.trim().trim_end_matches('.'),
        }
    }

    /// As Markdown.
    fn page(&self) -> String {
        match self {
            Self::Rule(rule) => rule_page(rule),
            Self::Event(event) => {
                let mut text = format!("# {}\n\n{}.\n\n", event.name, self.title());
                for (field, meaning) in event.fields {
                    let meaning = meaning.trim().trim_end_matches('.');
                    let _ = writeln!(text, "- `{field}`: {meaning}");
                }
                text
            }
        }
    }
}

/// A rule's page: what it is in short, then its documentation.
pub fn rule_page(rule: &Rule) -> String {
    let mut text = format!(
        "# {} {}\n\n{}.\n\n{}, {} confidence, shown to the {} persona.\n",
        rule.id,
        rule.name,
        capitalised(rule.title),
        capitalised(severity_name(rule.severity)),
        confidence_name(rule.confidence),
        persona_name(rule.persona),
    );
    if !rule.by_run.is_empty() {
        let by_run = by_run(rule);
        let _ = write!(text, "\nWhat `dunnage run` does by itself: {by_run}.\n");
    }
    format!("{text}\n{}\n", rule.markdown().trim())
}

/// What `dunnage run` does by itself, to go on a sentence with; empty if nothing.
pub fn by_run(rule: &Rule) -> String {
    let words = rule.by_run.trim_end_matches('.');
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    // an abbreviation stays what it is
    if letters.clone().next().is_some_and(char::is_uppercase) {
        return words.to_owned();
    }
    first.into_iter().chain(letters).collect()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn list(subjects: &[Subject]) -> String {
    let width = subjects.iter().map(|subject| subject.name().len()).max();
    let width = width.unwrap_or_default();
    let mut text = String::new();
    let mut was_rule = true;
    for subject in subjects {
        let is_rule = matches!(subject, Subject::Rule(_));
        if was_rule && !is_rule {
            text.push_str("\nevents of `dunnage run`:\n");
        }
        was_rule = is_rule;
        let title = subject.title().lines().next().unwrap_or_default();
        let _ = writeln!(text, "{:width$}  {title}", subject.name());
    }
    text
}

fn to_json(subjects: &[Subject]) -> String {
    let (mut rules, mut events) = (Vec::new(), Vec::new());
    for subject in subjects {
        match subject {
            Subject::Rule(rule) => rules.push(rule_json(rule)),
            Subject::Event(event) => events.push(json!({
                "name": event.name,
                "when": subject.title(),
                "fields": event.fields.iter().map(|(name, meaning)| json!({
                    "name": name, "meaning": meaning.trim(),
                })).collect::<Vec<_>>(),
            })),
        }
    }
    let page = json!({"schema": "dunnage.explain/1", "rules": rules, "events": events});
    format!("{page:#}\n")
}

fn rule_json(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "name": rule.name,
        "title": rule.title,
        "family": rule.family,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "persona": rule.persona,
        "by_run": rule.by_run,
        "documentation": rule.markdown().trim(),
    })
}
