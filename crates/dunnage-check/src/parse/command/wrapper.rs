//! What stands before a program: inits, tools that start it in an environment, and supervisors of several programs.

use super::{Init, Read, Step, Word, file_name};

/// An init, up to the word after its options.
pub(super) fn read_init<'a>(name: &str, words: &'a [Word]) -> Option<Read<'a>> {
    let (signals_group, is_subreaper, rest) = match name {
        "tini" | "tini-static" | "docker-init" => {
            let (letters, rest) = options(&words[1..], "pe", &[]);
            (letters.contains('g'), letters.contains('s'), rest)
        }
        "dumb-init" => {
            let long = [("single-child", 'c'), ("rewrite", 'r')];
            let (letters, rest) = options(&words[1..], "r", &long);
            (!letters.contains('c'), false, rest)
        }
        "catatonit" => {
            let (letters, rest) = options(&words[1..], "", &[]);
            (letters.contains('g'), true, rest)
        }
        "dunnage" if words.get(1).is_some_and(|word| word.text == "run") => {
            (false, true, after_run_options(&words[2..]))
        }
        "pid1" | "pid1-rs" | "my_init" => (false, false, options(&words[1..], "", &[]).1),
        // s6-overlay's entry point
        "init" if words[0].text == "/init" => (false, false, &words[1..]),
        _ => return None,
    };
    let name = if name == "init" { "s6-overlay" } else { name };
    let init = Init {
        name: name.to_owned(),
        signals_group,
        is_subreaper,
        at: words[0].at,
    };
    Some(Read::Goes(Step::Init(init), rest))
}

/// The letters of the options at the beginning, and what follows them or `--`. `valued` are the letters whose value is
/// the next word.
fn options<'a>(mut words: &'a [Word], valued: &str, long: &[(&str, char)]) -> (String, &'a [Word]) {
    let mut letters = String::new();
    while let Some((word, rest)) = words.split_first() {
        let Some(option) = word.text.strip_prefix('-') else {
            break;
        };
        words = rest;
        if option == "-" {
            break;
        }
        let mut takes_value = false;
        if let Some(name) = option.strip_prefix('-') {
            let (name, value) = name
                .split_once('=')
                .map_or((name, None), |(a, b)| (a, Some(b)));
            let letter = long
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, letter)| *letter);
            letters.extend(letter);
            takes_value = value.is_none() && letter.is_some_and(|letter| valued.contains(letter));
        } else {
            for (index, letter) in option.char_indices() {
                letters.push(letter);
                if valued.contains(letter) {
                    takes_value = index + letter.len_utf8() == option.len();
                    break;
                }
            }
        }
        if takes_value {
            words = words.get(1..).unwrap_or_default();
        }
    }
    (letters, words)
}

/// After `dunnage run`: its options end at `--` or at the first word that is none.
fn after_run_options(words: &[Word]) -> &[Word] {
    if let Some(end) = words.iter().position(|word| word.text == "--") {
        return &words[end + 1..];
    }
    let mut rest = words;
    while let Some(word) = rest.first()
        && word.text.starts_with('-')
    {
        let used = if word.text.contains('=') { 1 } else { 2 };
        rest = rest.get(used..).unwrap_or_default();
    }
    rest
}

/// Something that starts a program.
struct Kind {
    /// The words that it is known by.
    name: &'static [&'static str],
    /// Does it become the program?
    execs: bool,
    /// Its options whose value is the next word.
    valued: &'static [&'static str],
    /// How many words before the program are its own.
    own: usize,
}

const fn kind(
    name: &'static [&'static str],
    execs: bool,
    valued: &'static [&'static str],
    own: usize,
) -> Kind {
    Kind {
        name,
        execs,
        valued,
        own,
    }
}

/// Longer names first. Which become the program was looked up in each one's source or tried.
const WRAPPERS: &[Kind] = &[
    kind(&["uv", "run"], false, UV, 0),
    kind(&["uvx"], false, UV, 0),
    kind(&["uv", "tool", "run"], false, UV, 0),
    kind(
        &["poetry", "run"],
        true,
        &["-C", "-P", "--directory", "--project"],
        0,
    ),
    kind(&["pipenv", "run"], true, &["--pypi-mirror", "--python"], 0),
    kind(&["pdm", "run"], false, &["-p", "--project", "--venv"], 0),
    kind(&["hatch", "run"], false, &["-e", "--env"], 0),
    kind(&["hatch", "env", "run"], false, &["-e", "--env"], 0),
    kind(&["rye", "run"], true, &["--pyproject"], 0),
    kind(
        &["pixi", "run"],
        false,
        &["-e", "--environment", "--manifest-path"],
        0,
    ),
    kind(&["conda", "run"], false, CONDA, 0),
    kind(&["mamba", "run"], false, CONDA, 0),
    kind(&["micromamba", "run"], false, CONDA, 0),
    kind(&["ddtrace-run"], true, &[], 0),
    kind(&["opentelemetry-instrument"], true, OPENTELEMETRY, 0),
    kind(&["newrelic-admin", "run-program"], true, &[], 0),
    kind(&["newrelic-admin", "run-python"], true, &[], 0),
    kind(&["elasticapm-run"], true, &["--config"], 0),
    kind(&["coverage", "run"], true, &["--source", "--rcfile"], 0),
    kind(&["dotenv", "run"], true, &["-f", "--file"], 0),
    kind(
        &["doppler", "run"],
        false,
        &["-p", "--project", "-c", "--config", "-t", "--token"],
        0,
    ),
    kind(
        &["infisical", "run"],
        false,
        &["--env", "--path", "--projectId"],
        0,
    ),
    kind(&["chamber", "exec"], true, &[], 1),
    kind(
        &["dockerize"],
        false,
        &["-wait", "-timeout", "-template", "-stdout", "-stderr"],
        0,
    ),
    kind(
        &["wait-for-it.sh"],
        true,
        &["-h", "-p", "-t", "--timeout"],
        1,
    ),
    kind(&["wait-for-it"], true, &["-h", "-p", "-t", "--timeout"], 1),
    kind(&["wait-for"], true, &["-t", "--timeout"], 1),
    kind(&["gosu"], true, &[], 1),
    kind(&["su-exec"], true, &[], 1),
    kind(
        &["setpriv"],
        true,
        &["--reuid", "--regid", "--groups", "--inh-caps"],
        0,
    ),
    kind(&["chpst"], true, &["-u", "-U", "-e", "-n"], 0),
    kind(&["setuser"], true, &[], 1),
    kind(&["sudo"], false, &["-u", "-g", "--user", "--group"], 0),
    kind(
        &["timeout"],
        false,
        &["-k", "-s", "--kill-after", "--signal"],
        1,
    ),
    kind(&["time"], false, &["-f", "-o"], 0),
    kind(&["nice"], true, &["-n"], 0),
    kind(&["ionice"], true, &["-c", "-n"], 0),
    kind(&["nohup"], true, &[], 0),
    kind(&["numactl"], true, &["-N", "-m", "-C"], 0),
    kind(&["taskset"], true, &["-c"], 1),
    kind(&["stdbuf"], true, &["-o", "-e", "-i"], 0),
    kind(&["command"], true, &[], 0),
    kind(&["exec"], true, &["-a"], 0),
    kind(&["jemalloc.sh"], true, &[], 0),
    kind(
        &["watchmedo", "auto-restart"],
        false,
        &["-d", "-p", "--directory", "--pattern"],
        0,
    ),
    kind(&["xvfb-run"], false, &["-s", "-n", "--server-args"], 0),
];

const UV: &[&str] = &[
    "--python",
    "-p",
    "--with",
    "--extra",
    "--group",
    "--only-group",
    "--no-group",
    "--env-file",
    "--project",
    "--directory",
    "--package",
    "--with-requirements",
    "--from",
    "--index-url",
    "--cache-dir",
    "--config-file",
];
const CONDA: &[&str] = &["-n", "--name", "-p", "--prefix", "--cwd", "-a", "-r"];
const OPENTELEMETRY: &[&str] = &[
    "--traces_exporter",
    "--metrics_exporter",
    "--logs_exporter",
    "--service_name",
    "--exporter_otlp_endpoint",
    "--exporter_otlp_traces_endpoint",
    "--propagators",
];

/// A wrapper or a supervisor.
pub(super) fn read<'a>(name: &str, words: &'a [Word]) -> Option<Read<'a>> {
    if name == "env" {
        return Some(read_env(words));
    }
    if let Some(name) = supervisor(name, words) {
        let at = words[0].at;
        return Some(Read::Ends(vec![Step::Supervisor { name, at }]));
    }
    let (wrapper, after) = WRAPPERS
        .iter()
        .find_map(|wrapper| Some((wrapper, after_name(wrapper, name, words)?)))?;
    let rest = skip(after, wrapper.valued, wrapper.own);
    let step = Step::Wrapper {
        name: wrapper.name.join(" "),
        execs: wrapper.execs,
        at: words[0].at,
    };
    Some(Read::Goes(step, rest))
}

/// What follows the wrapper's name, if the words begin with it: options may stand between its words
/// (`uv --project x run`).
fn after_name<'a>(wrapper: &Kind, name: &str, words: &'a [Word]) -> Option<&'a [Word]> {
    let (first, others) = wrapper.name.split_first()?;
    if *first != name {
        return None;
    }
    let mut rest = &words[1..];
    for wanted in others {
        rest = skip(rest, wrapper.valued, 0);
        let (word, after) = rest.split_first()?;
        if word.text != *wanted {
            return None;
        }
        rest = after;
    }
    Some(rest)
}

/// Past options, their values, `own` further words and a `--`.
fn skip<'a>(mut words: &'a [Word], valued: &[&str], mut own: usize) -> &'a [Word] {
    while let Some((word, rest)) = words.split_first() {
        let text = word.text.as_str();
        if text == "--" {
            return rest;
        }
        if text.starts_with('-') {
            let used = usize::from(valued.contains(&text));
            words = rest.get(used..).unwrap_or_default();
        } else if own > 0 {
            own -= 1;
            words = rest;
        } else {
            break;
        }
    }
    words
}

/// `env A=b -u NAME program`.
fn read_env(words: &[Word]) -> Read<'_> {
    let is_assignment = |word: &Word| {
        let pair = word.text.split_once('=');
        pair.is_some_and(|(name, _)| !name.contains('/'))
    };
    let mut rest = &words[1..];
    loop {
        rest = skip(rest, &["-u", "--unset", "-C", "--chdir"], 0);
        match rest.split_first() {
            Some((word, after)) if is_assignment(word) => rest = after,
            _ => break,
        }
    }
    let step = Step::Wrapper {
        name: "env".to_owned(),
        execs: true,
        at: words[0].at,
    };
    Read::Goes(step, rest)
}

fn supervisor(name: &str, words: &[Word]) -> Option<String> {
    let second = words.get(1).map_or("", |word| word.text.as_str());
    let name = match (name, second) {
        ("supervisord", _) => "supervisord",
        ("cron" | "crond", _) => "cron",
        ("s6-svscan", _) => "s6",
        ("runsvdir" | "runsvdir-start", _) => "runit",
        ("honcho" | "foreman" | "goreman" | "overmind", "start")
        | ("circusd" | "monit" | "pm2-runtime", _) => name,
        _ => return None,
    };
    Some(name.to_owned())
}

/// The name that a program is known by: without folders, and without the version of `python3.12`.
pub(super) fn known_name(text: &str) -> &str {
    let name = file_name(text);
    let is_version = |rest: &str| {
        rest.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    for known in ["python", "pypy"] {
        if name.strip_prefix(known).is_some_and(is_version) {
            return known;
        }
    }
    name
}
