//! Tables of options for the pages in `docs/`.

use std::fmt::Write;

use clap::{Arg, Command};

use crate::env;

/// A page's hand-written head, then a table of the command's options for each heading.
pub fn options_page(head: &str, mut cli: Command, command: &str) -> String {
    let mut text = head.to_owned();
    cli.build();
    let Some(command) = cli.find_subcommand(command) else {
        return text;
    };
    for heading in headings(command) {
        let _ = write!(
            text,
            "\n### {heading}\n\n| option | variable | default | meaning |\n|---|---|---|---|\n"
        );
        for arg in command
            .get_arguments()
            .filter(|arg| arg.get_help_heading() == Some(heading))
        {
            text.push_str(&row(arg));
        }
    }
    text
}

fn headings(command: &Command) -> Vec<&str> {
    let mut headings: Vec<&str> = Vec::new();
    for heading in command.get_arguments().filter_map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

fn row(arg: &Arg) -> String {
    let (Some(long), Some(variable)) = (arg.get_long(), env::variable(arg)) else {
        return String::new();
    };
    // a flag has a value and a default of clap's own, which nobody writes
    let takes_value = arg.get_action().takes_values();
    let value = arg
        .get_value_names()
        .filter(|_| takes_value)
        .and_then(|names| names.first())
        .map(|name| format!(" {}", name.replace('|', "\\|")))
        .unwrap_or_default();
    let default = arg
        .get_default_values()
        .first()
        .filter(|_| takes_value)
        .map(|value| format!("`{}`", value.display()))
        .unwrap_or_default();
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    format!(
        "| `--{long}{value}` | `{variable}` | {default} | {} |\n",
        sentence(&help)
    )
}

/// A doc comment's text as one line for a table.
pub fn sentence(text: &str) -> String {
    text.trim()
        .trim_end_matches('.')
        .replace('|', "\\|")
        .replace('\n', " ")
}
