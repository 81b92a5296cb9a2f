//! From the line that the kernel executes to the program: through inits, shells, wrappers, and scripts of the repository.

use super::choices::{self, LeftOut};
use super::effective::Line;
use super::files::{Files, ScriptFile};
use super::scripts::Scripts;
use super::workload::Entrypoint;
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::command::{self, Init, Server, ServerKind, Step, Word};
use crate::parse::dockerfile::{Shell, becomes};
use crate::parse::shell::fill::{Variables, fill};
use crate::parse::shell::{Command, Script};
use crate::repository::Repository;
use crate::source::{Location, Span, Stated};

/// Scripts that call scripts are followed this far.
const MOST_SCRIPTS: usize = 4;

/// So many arguments are filled in.
const MOST_WORDS: usize = 1 << 12;

/// Where the line leads.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// From process 1 to the program.
    pub(super) steps: Vec<Step>,
    /// The first script whose text is known.
    pub(super) script: Option<Entrypoint>,
    /// The instructions that write scripts, in words.
    written: Vec<Evidence>,
    /// Which of the steps is process 1 once everything has started, where that is known.
    pub(super) first: Option<usize>,
    /// Lowered where a script may end in one of several programs.
    pub(super) confidence: Confidence,
    /// What the program's environment holds.
    pub(super) variables: Variables,
}

/// What a line is followed in.
pub(super) struct Surroundings<'a> {
    pub(super) repository: &'a Repository,
    /// The image's files, where it is built here.
    pub(super) files: Option<&'a Files<'a>>,
    pub(super) scripts: &'a Scripts,
    /// What its `/bin/sh` is.
    pub(super) shell: Shell,
    /// What holds before anything has run.
    pub(super) variables: Variables,
}

/// Follows a line. `init` is what stands before it in the image below.
pub(super) fn follow(around: Surroundings<'_>, init: Option<Init>, line: &Line) -> Path {
    let mut walk = Walk {
        repository: around.repository,
        files: around.files,
        kept: around.scripts,
        shell: around.shell,
        path: Path::new(around.variables),
        is_first_open: true,
        scripts: 0,
    };
    if let Some(init) = init {
        walk.push(Step::Init(init), Some(true));
    }
    walk.line(line);
    walk.path
}

impl Path {
    /// The script and what starts last, in words.
    pub(super) fn evidence(&self, repository: &Repository) -> Vec<Evidence> {
        let mut found = Vec::new();
        if let (Some(script), Some((path, at))) =
            (&self.script, self.steps.iter().find_map(script_at))
        {
            let path = if self.written.is_empty() {
                &repository.file(script.at.file).source.path
            } else {
                path
            };
            found.push(Evidence {
                at,
                note: format!("runs {path}"),
            });
        }
        found.extend(self.written.iter().cloned());
        found
    }

    fn new(variables: Variables) -> Self {
        Self {
            steps: Vec::new(),
            script: None,
            written: Vec::new(),
            first: None,
            confidence: Confidence::High,
            variables,
        }
    }
}

struct Walk<'a> {
    repository: &'a Repository,
    files: Option<&'a Files<'a>>,
    kept: &'a Scripts,
    shell: Shell,
    path: Path,
    /// Process 1 is still to be found: everything so far becomes what it starts.
    is_first_open: bool,
    scripts: usize,
}

impl<'a> Walk<'a> {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Words(words) => self.words(words),
            Line::Shell { shell, text, at } => {
                let steps = command::read_text(shell, text, *at, &mut self.path.variables);
                self.steps(steps, &[]);
            }
        }
    }

    fn words(&mut self, words: &[Word]) {
        let steps = command::read_in(words, &mut self.path.variables);
        self.steps(steps, words);
    }

    /// Steps that were read from words; the words behind a script are its arguments.
    fn steps(&mut self, steps: Vec<Step>, words: &[Word]) {
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            let named = match &step {
                Step::Script { path, .. } => Some((path.clone(), step.clone())),
                Step::Other { at, .. } => path_at(words, *at).map(|path| {
                    let script = Step::Script {
                        path: path.to_owned(),
                        arguments: arguments_after(words, *at),
                        at: *at,
                    };
                    (path.to_owned(), script)
                }),
                _ => None,
            };
            let script = named.and_then(|(path, script)| Some((self.script_at(&path)?, script)));
            if let Some((file, script)) = script {
                self.script(script, file);
                return;
            }
            if matches!(step, Step::Script { .. }) && steps.len() > 0 {
                // not a file of the repository: that it runs its arguments is usual, and a guess
                self.path.confidence = self.path.confidence.min(Confidence::Medium);
            }
            let stays = stays(&step, self.shell);
            self.push(step, stays);
        }
    }

    /// The script at a path of the image.
    fn script_at(&mut self, path: &str) -> Option<ScriptFile<'a>> {
        let files = self.files.filter(|_| self.scripts < MOST_SCRIPTS)?;
        files.script(path).or_else(|| {
            let meant = files.script_meant(path)?;
            self.path.confidence = self.path.confidence.min(Confidence::Medium);
            Some(meant)
        })
    }

    fn push(&mut self, step: Step, stays: Option<bool>) {
        if self.is_first_open && stays != Some(false) {
            self.is_first_open = false;
            self.path.first = stays.map(|_| self.path.steps.len());
        }
        self.path.steps.push(step);
    }

    /// A script whose text is known.
    fn script(&mut self, step: Step, file: ScriptFile<'_>) {
        self.scripts += 1;
        let arguments = match &step {
            Step::Script { arguments, .. } => arguments.clone(),
            _ => Vec::new(),
        };
        let Some(entry) = self.read(file) else {
            self.python(step);
            return;
        };
        if let (ScriptFile::Written(written), Step::Script { path, .. }) = (file, &step) {
            self.path.written.push(Evidence {
                at: written.at,
                note: format!("writes {path}"),
            });
        }
        let script = entry.script.clone();
        let out = choices::left_out(&script, Some(&arguments), &self.path.variables);
        self.path.script.get_or_insert_with(|| Entrypoint {
            left_out: out.clone(),
            ..entry
        });
        let Some((end, is_sure)) = end_of(&script, &out, !arguments.is_empty()) else {
            self.push(step, Some(true));
            return;
        };
        self.push(step, Some(!end.has_exec));
        if !is_sure {
            self.path.confidence = self.path.confidence.min(Confidence::Medium);
        }
        let left = after_shifts(&script, end, &out, &arguments);
        self.words(&expand(&end.words, left));
    }

    /// The text of a script in the environment that it starts in; none if it is Python's.
    fn read(&mut self, file: ScriptFile<'_>) -> Option<Entrypoint> {
        let variables = &mut self.path.variables;
        match file {
            ScriptFile::Written(written) if written.is_shell() => {
                let (at, bytes) = (written.lines, written.text.len());
                let read = |variables: &mut Variables| written.script(variables);
                Some(Entrypoint {
                    at,
                    left_out: LeftOut::default(),
                    script: self.kept.read(at, bytes, variables, read),
                    is_verbatim: written.is_verbatim(),
                })
            }
            ScriptFile::Written(_) => None,
            ScriptFile::File(id) => {
                let file = self.repository.file(id);
                let Model::Shell(script) = &file.model else {
                    return None;
                };
                let text = &file.source.text;
                let span = Span::new(0..text.len());
                let at = Location { file: id, span };
                let read = |variables: &mut Variables| {
                    let mut script = script.clone();
                    *variables = fill(&mut script, text, 0, variables);
                    script
                };
                Some(Entrypoint {
                    at,
                    left_out: LeftOut::default(),
                    script: self.kept.read(at, text.len(), variables, read),
                    is_verbatim: true,
                })
            }
        }
    }

    /// `./manage.py` with `#!/usr/bin/env python`.
    fn python(&mut self, step: Step) {
        let Step::Script { path, at, .. } = step else {
            return;
        };
        let app = Some(Stated::new(path, at));
        let server = Server {
            kind: ServerKind::Python,
            app,
            ..Server::default()
        };
        self.push(Step::Server(Box::new(server)), Some(true));
    }
}

fn script_at(step: &Step) -> Option<(&String, Location)> {
    match step {
        Step::Script { path, at, .. } => Some((path, *at)),
        _ => None,
    }
}

/// A program that is named by its path: it may be a script of any name.
fn path_at(words: &[Word], at: Location) -> Option<&str> {
    let word = words.iter().find(|word| word.at == at)?;
    word.text.contains('/').then_some(word.text.as_str())
}

/// Does a process of this step stay when the next has started? None where the files do not tell.
pub(super) fn stays(step: &Step, shell: Shell) -> Option<bool> {
    match step {
        Step::Wrapper { execs, .. } => Some(!execs),
        Step::Shell { name, tail, .. } => becomes(name, shell, *tail).map(|becomes| !becomes),
        Step::Script { .. } => None,
        Step::Init(_) | Step::Supervisor { .. } | Step::Server(_) | Step::Other { .. } => {
            Some(true)
        }
    }
}

/// The words behind the one at a place.
fn arguments_after(words: &[Word], at: crate::source::Location) -> Vec<Word> {
    let named = words.iter().rposition(|word| word.at == at);
    named.map_or_else(Vec::new, |index| words[index + 1..].to_vec())
}

/// The command that a script ends in, but for those that are left out, and whether it is the only one that it may end in.
fn end_of<'a>(
    script: &'a Script,
    left_out: &LeftOut,
    has_arguments: bool,
) -> Option<(&'a Command, bool)> {
    let ends: Vec<&Command> = script
        .commands
        .iter()
        .enumerate()
        .filter(|(index, _)| !left_out.has(*index))
        .map(|(_, command)| command)
        .filter(|command| command.is_last && !command.is_background && !command.is_aside())
        .collect();
    let passes_on = |command: &&&Command| command.words.iter().any(is_all_arguments);
    if let [only] = ends[..] {
        return Some((only, true));
    }
    if let Some(command) = ends.iter().find(passes_on).filter(|_| has_arguments) {
        return Some((command, false));
    }
    // a branch for development is not taken for the one that runs where another may be
    let serves = |in_production: bool| {
        ends.iter().copied().find(|command| {
            let mut steps = command::read(&command.words).into_iter();
            steps.any(|step| match step {
                Step::Server(server) => !in_production || server.development.is_none(),
                _ => false,
            })
        })
    };
    let main = || script.main_of(|index| !left_out.has(index));
    let chosen = serves(true).or_else(|| serves(false)).or_else(main)?;
    Some((chosen, false))
}

fn is_out(script: &Script, command: &Command, left_out: &LeftOut) -> bool {
    let index = script
        .commands
        .iter()
        .position(|other| std::ptr::eq(other, command));
    index.is_some_and(|index| left_out.has(index))
}

/// The arguments that are left when a command begins: `shift` takes the first away.
fn after_shifts<'a>(
    script: &Script,
    command: &Command,
    left_out: &LeftOut,
    arguments: &'a [Word],
) -> &'a [Word] {
    let before = script
        .commands
        .iter()
        .take_while(|other| !std::ptr::eq(*other, command));
    let shifts = before
        .filter(|other| other.words.len() == 1 && other.name() == "shift")
        .filter(|other| !is_out(script, other, left_out))
        .count();
    arguments.get(shifts..).unwrap_or_default()
}

/// `"$@"` and its like.
fn is_all_arguments(word: &Word) -> bool {
    matches!(word.text.trim_matches('"'), "$@" | "${@}" | "$*" | "${*}")
}

/// `"$@"` becomes the arguments. Where they would be more than a person writes they stay as they are asked for.
fn expand(words: &[Word], arguments: &[Word]) -> Vec<Word> {
    let asks = words.iter().filter(|word| is_all_arguments(word)).count();
    if asks.saturating_mul(arguments.len()) > MOST_WORDS {
        return words.to_vec();
    }
    words
        .iter()
        .flat_map(|word| {
            if is_all_arguments(word) {
                arguments.to_vec()
            } else {
                vec![word.clone()]
            }
        })
        .collect()
}
