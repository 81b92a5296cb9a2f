//! Options from the environment: each long option of a command has a variable, `DUNNAGE_` and its name.
//!
//! A variable is parsed as if it had been given as an option, so that there is one parser and one set of messages; the
//! message for a bad one names the variable. An option on the command line replaces its variable altogether, for
//! repeatable ones too.

use std::env;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::output;

/// Variables that are no options.
const OTHERS: [&str; 8] = [
    "DUNNAGE_DISABLE",
    "DUNNAGE_PLANNED",
    "DUNNAGE_COMPAT",
    "DUNNAGE_RUNTIME_DIR",
    "DUNNAGE_SOCKET",
    "DUNNAGE_CPU_COUNT",
    "DUNNAGE_DEBUG",
    "DUNNAGE_TERM_EXIT",
];

/// What the options of `check`, `explain` and `lsp` are called as variables. They are another program's, which compares this
/// list with them, so that `run` does not take one that is set for both for a mistake.
pub const OF_CHECK: [&str; 17] = [
    "DUNNAGE_BASELINE",
    "DUNNAGE_COLOR",
    "DUNNAGE_CONFIG",
    "DUNNAGE_DIFF",
    "DUNNAGE_EXCLUDE",
    "DUNNAGE_FAIL_ON",
    "DUNNAGE_FIX",
    "DUNNAGE_FORMAT",
    "DUNNAGE_GRAPH",
    "DUNNAGE_HELM",
    "DUNNAGE_IGNORE",
    "DUNNAGE_MIN_CONFIDENCE",
    "DUNNAGE_MIN_SEVERITY",
    "DUNNAGE_PERSONA",
    "DUNNAGE_SELECT",
    "DUNNAGE_STDIO",
    "DUNNAGE_WRITE_BASELINE",
];

/// Why the command line or the environment could not be understood.
#[derive(Debug)]
pub enum Failure {
    /// A variable's value.
    Variable {
        /// The variable.
        name: String,
        /// What is wrong with it.
        message: String,
    },
    /// The command line.
    Arguments(clap::Error),
}

impl Failure {
    /// Prints the help or the version, if that is what was asked for, or says what is wrong; the code to leave with.
    pub fn tell(&self, failure: u8) -> ExitCode {
        let error = match self {
            Self::Variable { name, message } => {
                return output::fail(failure, &format!("{name}: {message}"));
            }
            Self::Arguments(error) => error,
        };
        let text = error.render().to_string();
        if matches!(
            error.kind(),
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
        ) {
            return match output::print(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => output::fail(failure, &error.to_string()),
            };
        }
        output::tell(&format!("dunnage: {}", text.trim_end()));
        ExitCode::from(failure)
    }
}

/// The variable of an option; `None` for positional arguments and help.
pub fn variable(arg: &Arg) -> Option<String> {
    let long = arg
        .get_long()
        .filter(|long| !matches!(*long, "help" | "version"))?;
    Some(format!(
        "DUNNAGE_{}",
        long.replace('-', "_").to_ascii_uppercase()
    ))
}

/// Whether a name is of the kind that Kubernetes injects for a Service called `dunnage` or `dunnage-…`
/// (`DUNNAGE_PORT=tcp://…`, `DUNNAGE_SERVICE_HOST`).
pub fn is_service_link(name: &str) -> bool {
    name.contains("_PORT") || name.contains("_SERVICE_")
}

/// Parses the command line, with what the environment says put before it.
pub fn parse(command: Command, arguments: &[OsString]) -> Result<ArgMatches, Failure> {
    parse_with(command, arguments, own_variables())
}

/// The variables called `DUNNAGE_…`, found once: each look copies the whole environment.
fn own_variables() -> &'static [(OsString, OsString)] {
    static FOUND: OnceLock<Vec<(OsString, OsString)>> = OnceLock::new();
    FOUND.get_or_init(|| {
        env::vars_os()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"DUNNAGE_"))
            .collect()
    })
}

fn parse_with(
    mut command: Command,
    arguments: &[OsString],
    variables: &[(OsString, OsString)],
) -> Result<ArgMatches, Failure> {
    command.build();
    let matches = command
        .try_get_matches_from_mut(arguments)
        .map_err(Failure::Arguments)?;
    if variables.is_empty() {
        return Ok(matches);
    }
    let Some((name, given)) = matches.subcommand() else {
        return Ok(matches);
    };
    let Some(subcommand) = command.find_subcommand(name) else {
        return Ok(matches);
    };
    let mut words = Vec::new();
    for arg in subcommand.get_arguments() {
        let (Some(variable), Some(long)) = (variable(arg), arg.get_long()) else {
            continue;
        };
        if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            continue;
        }
        let value = variables
            .iter()
            .find(|(name, value)| *name == *variable && !value.is_empty());
        let Some((_, value)) = value else {
            continue;
        };
        let mut word = OsString::from(format!("--{long}="));
        word.push(value);
        check(&command, name, &word).map_err(|message| Failure::Variable {
            name: variable,
            message,
        })?;
        words.push(word);
    }
    if words.is_empty() {
        return Ok(matches);
    }
    let position = arguments
        .iter()
        .position(|word| word == name)
        .map_or(arguments.len(), |at| at + 1);
    let (before, after) = arguments.split_at(position);
    let all = before.iter().chain(&words).chain(after);
    command
        .try_get_matches_from_mut(all)
        .map_err(Failure::Arguments)
}

/// Parses one option by itself; the message is the parser's first line, without the option's name.
fn check(command: &Command, subcommand: &str, word: &OsStr) -> Result<(), String> {
    let words = [OsStr::new("dunnage"), OsStr::new(subcommand), word];
    match command.clone().try_get_matches_from(words) {
        Err(error) if error.kind() != clap::error::ErrorKind::MissingRequiredArgument => {
            let text = error.render().to_string();
            let text = text.trim_start_matches("error: ");
            Err(text
                .split("\n\n")
                .next()
                .unwrap_or(text)
                .replace('\n', " ")
                .trim_end()
                .to_owned())
        }
        _ => Ok(()),
    }
}

/// Whether `DUNNAGE_DISABLE` switches everything off.
pub fn is_disabled() -> Result<bool, String> {
    let Some(value) = env::var_os("DUNNAGE_DISABLE") else {
        return Ok(false);
    };
    match value.to_str() {
        Some("1" | "true" | "on" | "yes") => Ok(true),
        Some("" | "0" | "false" | "off" | "no") => Ok(false),
        _ => Err(format!(
            "DUNNAGE_DISABLE is {}: give 1 or 0",
            value.display()
        )),
    }
}

/// The variables called `DUNNAGE_…` that mean nothing to `command`'s subcommands, sorted. Mostly there are none, and all
/// the options need not be built.
pub fn unknown_variables(command: impl FnOnce() -> Command) -> Vec<String> {
    let mut unknown: Vec<String> = own_variables()
        .iter()
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| !is_service_link(name) && !name.starts_with("DUNNAGE_TEST_"))
        .filter(|name| !OTHERS.contains(name) && !OF_CHECK.contains(name))
        .map(str::to_owned)
        .collect();
    if unknown.is_empty() {
        return unknown;
    }
    let command = command();
    let known: Vec<String> = command
        .get_subcommands()
        .flat_map(|command| command.get_arguments().filter_map(variable))
        .collect();
    unknown.retain(|name| !known.contains(name));
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{ArgAction, value_parser};

    fn command() -> Command {
        let number = Arg::new("number")
            .long("a-number")
            .value_parser(value_parser!(u8))
            .default_value("1");
        let list = Arg::new("list")
            .long("list")
            .action(ArgAction::Append)
            .value_delimiter(',');
        let rest = Arg::new("rest")
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true);
        Command::new("dunnage").subcommand(Command::new("run").args([number, list, rest]))
    }

    fn parsed(words: &[&str], variables: &[(&str, &str)]) -> Result<(u8, Vec<String>), String> {
        let words: Vec<OsString> = ["dunnage", "run"]
            .iter()
            .chain(words)
            .map(OsString::from)
            .collect();
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let matches =
            parse_with(command(), &words, &variables).map_err(|failure| match failure {
                Failure::Variable { name, message } => format!("{name}: {message}"),
                Failure::Arguments(error) => error.to_string(),
            })?;
        let (_, run) = matches.subcommand().unwrap();
        let list = run
            .get_many::<String>("list")
            .map(|values| values.cloned().collect())
            .unwrap_or_default();
        Ok((*run.get_one("number").unwrap(), list))
    }

    #[test]
    fn the_command_line_comes_before_the_environment_and_that_before_the_default() {
        assert_eq!(parsed(&[], &[]).unwrap().0, 1);
        assert_eq!(parsed(&[], &[("DUNNAGE_A_NUMBER", "2")]).unwrap().0, 2);
        assert_eq!(
            parsed(&["--a-number", "3"], &[("DUNNAGE_A_NUMBER", "2")])
                .unwrap()
                .0,
            3
        );
        assert_eq!(
            parsed(&[], &[("DUNNAGE_A_NUMBER", "")]).unwrap().0,
            1,
            "an empty one is not set"
        );
    }

    #[test]
    fn a_list_on_the_command_line_replaces_the_one_in_the_environment() {
        assert_eq!(
            parsed(&[], &[("DUNNAGE_LIST", "a,b")]).unwrap().1,
            ["a", "b"]
        );
        assert_eq!(
            parsed(&["--list", "c"], &[("DUNNAGE_LIST", "a,b")])
                .unwrap()
                .1,
            ["c"]
        );
    }

    #[test]
    fn a_bad_value_names_its_variable() {
        let message = parsed(&[], &[("DUNNAGE_A_NUMBER", "many")]).unwrap_err();
        assert!(
            message.starts_with("DUNNAGE_A_NUMBER: invalid value 'many'"),
            "{message}"
        );
    }

    #[test]
    fn words_after_the_command_are_the_commands() {
        assert_eq!(
            parsed(&["python", "--a-number", "9"], &[("DUNNAGE_A_NUMBER", "2")])
                .unwrap()
                .0,
            2
        );
    }

    #[test]
    fn service_links_are_known_by_their_shape() {
        for name in [
            "DUNNAGE_PORT",
            "DUNNAGE_PORT_80_TCP_ADDR",
            "DUNNAGE_SERVICE_HOST",
            "DUNNAGE_WEB_SERVICE_PORT_HTTP",
        ] {
            assert!(is_service_link(name));
        }
        assert!(!is_service_link("DUNNAGE_GRACE"));
    }
}
