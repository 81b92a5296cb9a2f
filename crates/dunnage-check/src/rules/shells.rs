//! What rules about shells in front of a program share.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::{Edit, Fix, Target};
use crate::graph::render;
use crate::graph::workload::{Entrypoint, Workload};
use crate::parse::command::{self, Server, ServerKind, Step, Tail, Word};
use crate::parse::dockerfile::{Shell, becomes};
use crate::parse::shell::{Command, Script, Test};
use crate::repository::Repository;
use crate::rules::about::use_dunnage;
use crate::rules::{Rule, term};
use crate::source::{Location, Span, Stated, names_development, names_production};

/// A shell that was given a text and stays in front of what it starts.
pub(super) struct Staying {
    /// `sh`, `bash`.
    pub(super) name: String,
    /// How its last command stands.
    pub(super) tail: Tail,
    /// That command.
    pub(super) last: Location,
    /// The text.
    pub(super) at: Location,
    /// Is it known that this image's shell stays? Otherwise it depends on which one it is.
    pub(super) is_sure: bool,
}

/// The shells of a workload that stay, or may.
pub(super) fn staying(workload: &Workload) -> Vec<Staying> {
    let of_step = |step: &Step| match step {
        Step::Shell {
            name,
            tail,
            last,
            at,
            ..
        } => {
            let becomes = becomes(name, workload.base.shell, *tail);
            (becomes != Some(true)).then(|| Staying {
                name: name.clone(),
                tail: *tail,
                last: *last,
                at: *at,
                is_sure: becomes.is_some(),
            })
        }
        _ => None,
    };
    // whose STOPSIGNAL is SIGKILL wants no SIGTERM; a program without its words ends before anybody stops it
    if ends_in_a_shell(workload)
        || term::stop_signal(workload) == "KILL"
        || lost_words(workload).is_some()
    {
        return Vec::new();
    }
    workload.steps.iter().filter_map(of_step).collect()
}

/// Does a project tool of this name stay in front of what it starts and pass no SIGTERM on?
pub(super) fn keeps_term(tool: &str) -> bool {
    matches!(tool, "hatch" | "conda" | "mamba")
}

/// Is process 1 a shell, a script that was read or a project tool which passes no SIGTERM on to the server?
pub(super) fn stays_deaf(workload: &Workload) -> bool {
    workload.life.foreign_init.is_none()
        && match workload.first() {
            Some(Step::Shell { .. }) => true,
            Some(Step::Wrapper { name, .. }) => name.split(' ').next().is_some_and(keeps_term),
            Some(Step::Script { .. }) => workload
                .script
                .as_ref()
                .is_some_and(|script| !handles_term(&script.script)),
            _ => false,
        }
}

/// Words that were written for a program and that `sh -c` keeps from it.
pub(super) struct Lost<'a> {
    /// `sh`, `bash`.
    pub(super) shell: &'a str,
    /// The text: one bare word.
    pub(super) program: &'a Word,
    /// What stands behind it.
    pub(super) words: &'a [Word],
}

/// `sh -c celery -A app worker`: the text is `celery`, and what follows becomes `$0`, `$1`, which a text of one bare word never
/// asks for. A name for `$0` alone (`sh -c program sh`, `--`) is no loss.
pub(super) fn lost_words(workload: &Workload) -> Option<Lost<'_>> {
    let text = workload.steps.iter().find_map(|step| match step {
        Step::Shell { at, .. } => Some(*at),
        _ => None,
    })?;
    let at = workload.command.iter().position(|word| word.at == text)?;
    let (program, words) = workload.command.get(at..)?.split_first()?;
    let shell = workload.command[..at]
        .iter()
        .rev()
        .find(|word| !word.text.starts_with('-'))?;
    let shell = shell.text.rsplit('/').next()?;
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "._-/+:@".contains(letter);
    let names_itself = |word: &Word| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        let own = program.text.rsplit('/').next();
        matches!(name, "" | "-" | "--" | "_") || name == shell || Some(name) == own
    };
    let is_lost = match words {
        [] => false,
        [only] => !names_itself(only),
        _ => true,
    };
    let is_shell = matches!(shell, "sh" | "bash" | "dash" | "ash");
    (is_shell && is_lost && program.text.chars().all(is_bare)).then_some(Lost {
        shell,
        program,
        words,
    })
}

/// `CMD /bin/sh`: somebody works in it, nothing is started by it.
fn ends_in_a_shell(workload: &Workload) -> bool {
    let Some(Step::Other { name, .. }) = workload.steps.last() else {
        return false;
    };
    matches!(name.as_str(), "sh" | "bash" | "dash" | "ash" | "zsh")
}

impl Staying {
    /// A finding at a place: "SUBJECT stays as process 1 in front of gunicorn and passes no SIGTERM on".
    pub(super) fn finding(
        &self,
        rule: &'static Rule,
        at: Location,
        subject: &str,
        workload: &Workload,
    ) -> Finding {
        let has_init = workload.init().is_some() || workload.life.foreign_init.is_some();
        let may = if self.is_sure || has_init {
            "stays"
        } else {
            "may stay"
        };
        let program = program(workload);
        let harm = if has_init {
            "ends at SIGTERM, and the container with it"
        } else {
            "passes no SIGTERM on"
        };
        let message = match workers_without_init(workload) {
            Some(workers) => {
                let number = render::count(workers.value, "worker");
                let between = between(workload, &format!("{program} and its {number}"));
                format!("no init: {subject} {may} {between}, and {harm}")
            }
            None => format!("{subject} {may} {} and {harm}", between(workload, &program)),
        };
        let finding = Finding::new(rule, at, message);
        // `tini -g` lets the program hear it, and ends before the program can
        let hears = workload.init().is_some_and(|init| init.signals_group);
        if self.is_sure && hears {
            finding.severity(Severity::Warning)
        } else if self.is_sure {
            finding
        } else {
            finding
                .severity(Severity::Warning)
                .confidence(Confidence::Medium)
        }
    }

    /// `exec` before the last command, if the shell has nothing to do after it.
    pub(super) fn become_program(&self, target: Target<'_>) -> Option<Fix> {
        if self.tail == Tail::Followed {
            return None;
        }
        exec_at(target, self.at, self.last).map(become_program)
    }
}

/// Mends what stays: by itself, or by dunnage as the init. Above worker processes the init is the better one, and does not
/// need the shell either.
pub(super) fn mended(
    finding: Finding,
    repository: &Repository,
    workload: &Workload,
    mend: Option<Fix>,
) -> Finding {
    let dunnage = use_dunnage(repository, workload);
    if workers_without_init(workload).is_none() {
        return finding.fix(mend).fix(dunnage);
    }
    let both = dunnage.map(|mut fix| {
        fix.edits
            .extend(mend.iter().flat_map(|mend| mend.edits.clone()));
        fix
    });
    finding.fix(both).fix(mend)
}

/// The workers of a server that has several and no init above them.
fn workers_without_init(workload: &Workload) -> Option<&Stated<u32>> {
    let is_bare = workload.init().is_none() && workload.life.foreign_init.is_none();
    let workers = workload.server()?.workers.as_ref()?;
    (is_bare && workers.value > 1).then_some(workers)
}

/// Where a shell stays that does not become what it starts.
pub(super) fn between(workload: &Workload, program: &str) -> String {
    match workload.init() {
        Some(init) => format!("between {} and {program}", init.name),
        None if workload.life.foreign_init.is_some() => format!("in front of {program}"),
        None => format!("as process 1 in front of {program}"),
    }
}

/// By an edit that writes `exec`.
pub(super) fn become_program(edit: Edit) -> Fix {
    Fix::safe("let the shell become the program", vec![edit])
}

/// What runs in the end, as a person calls it. Where only a variable names it, the script that asks for it.
pub(super) fn program(workload: &Workload) -> String {
    let name = |step: &Step| match step {
        Step::Server(server) => Some(server_name(server)),
        Step::Other { name, .. } | Step::Supervisor { name, .. } | Step::Wrapper { name, .. } => {
            Some(name.clone())
        }
        Step::Script { path, .. } => Some(path.clone()),
        Step::Init(_) | Step::Shell { .. } => None,
    };
    let last = workload.steps.last().and_then(name);
    let is_named = |name: &String| !name.contains(['$', '`']);
    let script = || {
        let scripts = workload.steps.iter().rev();
        let mut scripts = scripts.filter(|step| matches!(step, Step::Script { .. }));
        scripts.find_map(name).filter(is_named)
    };
    last.filter(is_named)
        .or_else(script)
        .unwrap_or_else(|| "the program".to_owned())
}

/// A server's name as a sentence has it: the framework's, where [`render::server_name`] has the command's.
pub(super) fn server_name(server: &Server) -> String {
    let name = match server.kind {
        ServerKind::Uwsgi => "uWSGI",
        ServerKind::Python => "Python",
        ServerKind::FastApi => "FastAPI",
        ServerKind::Django => "Django",
        ServerKind::Flask => "Flask",
        other => render::server_name(other),
    };
    name.to_owned()
}

/// Which program `/bin/sh` is, for a note.
pub(super) fn shell_note(shell: Shell) -> Option<&'static str> {
    match shell {
        Shell::Dash => Some("its /bin/sh is dash, which never becomes what it runs"),
        Shell::Bash => Some("its /bin/sh is bash, which becomes only a last, plain command"),
        Shell::Busybox => Some(
            "its /bin/sh is busybox, which becomes only a last command with no line break behind it",
        ),
        Shell::None | Shell::Unknown => None,
    }
}

/// Does a script answer SIGTERM itself?
pub(super) fn handles_term(script: &Script) -> bool {
    script
        .traps
        .iter()
        .any(|(names, _)| names.iter().any(|name| name == "TERM"))
}

/// Is a command of a script in a branch for development that the files neither open nor close: it starts a server for
/// development, a word for that or for production decides, and another branch of the same choice starts another server?
pub(super) fn is_branch_for_development(entry: &Entrypoint, command: &Command) -> bool {
    let commands = &entry.script.commands;
    let starts = |command: &Command, for_development: bool| {
        let mut steps = command::read(&command.words).into_iter();
        steps.any(|step| match step {
            Step::Server(server) => server.development.is_some() == for_development,
            _ => false,
        })
    };
    let own = commands
        .iter()
        .position(|other| std::ptr::eq(other, command));
    let Some(own) = own.filter(|_| starts(command, true)) else {
        return false;
    };
    entry.script.choices.iter().any(|choice| {
        let (inside, others): (Vec<_>, Vec<_>) = choice
            .arms
            .iter()
            .map(|arm| arm.commands.clone())
            .partition(|arm| arm.contains(&own));
        let mut others = others.into_iter().flatten();
        !inside.is_empty()
            && choice
                .arms
                .iter()
                .any(|arm| asks_for_development(&arm.test))
            && others.any(|index| !entry.left_out.has(index) && starts(&commands[index], false))
    })
}

/// `[ "$IS_DEBUG" = true ]`, `[ "$ENV" = production ]`: is it asked whether this is development or production?
fn asks_for_development(test: &Test) -> bool {
    let is_named = |text: &String| {
        let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
        words.any(|word| names_development(word) || names_production(word))
    };
    match test {
        Test::Unknown => false,
        Test::Is { subject, patterns } => is_named(subject) || patterns.iter().any(is_named),
        Test::Not(test) => asks_for_development(test),
        Test::All(tests) | Test::Any(tests) => tests.iter().any(asks_for_development),
    }
}

/// Puts `exec` before the command at a place, if the bytes there are that command: in a folded block or behind escapes
/// they may not be.
fn exec_at(target: Target<'_>, text: Location, last: Location) -> Option<Edit> {
    let whole = target.slice(text.span);
    if last != text || !whole.starts_with(['"', '\'', '|', '>']) {
        return Some(target.insert(last.span.start as usize, "exec "));
    }
    // the place of the text as a whole: its last line, if that holds one command
    let line = whole.trim_end_matches(['"', '\'']).trim_end();
    let begin = line.rfind('\n').map_or(0, |newline| newline + 1);
    let command = line[begin..].trim_start();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b" _-./:=,@%+$\"{}".contains(&byte);
    let is_one =
        begin > 0 && command.bytes().all(is_plain) && !command.starts_with(['-', '"', '$']);
    let start = text.span.start as usize + line.len() - command.len();
    let has_keyword = ["fi", "done", "esac", "}", "exec"].contains(&command.split(' ').next()?);
    (is_one && !has_keyword).then(|| target.replace(Span::new(start..start), "exec "))
}

/// Does a text that is written at a place end in this program's name, quotes aside?
pub(super) fn ends_with_program(written: &str, name: &str) -> bool {
    let written = written.trim_end_matches(['"', '\'']);
    let before = written.strip_suffix(name);
    before.is_some_and(|before| before.is_empty() || before.ends_with(['/', '"', '\'', ' ', '\n']))
}
