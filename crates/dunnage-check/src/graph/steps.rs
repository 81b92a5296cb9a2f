//! From the line that the kernel executes to the program: through inits, shells, wrappers, and scripts of the repository.

use super::effective::Line;
use super::files::Files;
use crate::finding::{Confidence, Evidence};
use crate::parse::Model;
use crate::parse::command::{self, Init, Server, ServerKind, Step, Word};
use crate::parse::dockerfile::{Shell, becomes};
use crate::parse::shell::{Command, Script};
use crate::repository::Repository;
use crate::source::{FileId, Location, Stated};

/// Scripts that call scripts are followed this far.
const MOST_SCRIPTS: usize = 4;

/// Where the line leads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    /// From process 1 to the program.
    pub(super) steps: Vec<Step>,
    /// The first script that is a file of the repository.
    pub(super) script: Option<FileId>,
    /// Which of the steps is process 1 once everything has started, where that is known.
    pub(super) first: Option<usize>,
    /// Lowered where a script may end in one of several programs.
    pub(super) confidence: Confidence,
}

/// Follows a line.
pub(super) fn follow(
    repository: &Repository,
    files: Option<&Files<'_>>,
    shell: Shell,
    init: Option<Init>,
    line: &Line,
) -> Path {
    let mut walk = Walk {
        repository,
        files,
        shell,
        path: Path::empty(),
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
        if let (Some(id), Some(at)) = (self.script, self.steps.iter().find_map(script_at)) {
            let path = &repository.file(id).source.path;
            found.push(Evidence {
                at,
                note: format!("runs {path}"),
            });
        }
        found
    }

    fn empty() -> Self {
        Self {
            steps: Vec::new(),
            script: None,
            first: None,
            confidence: Confidence::High,
        }
    }
}

struct Walk<'a> {
    repository: &'a Repository,
    files: Option<&'a Files<'a>>,
    shell: Shell,
    path: Path,
    /// Process 1 is still to be found: everything so far becomes what it starts.
    is_first_open: bool,
    scripts: usize,
}

impl Walk<'_> {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Words(words) => self.words(words),
            Line::Shell { shell, text, at } => {
                let steps = command::read_text(shell, text, *at);
                self.steps(steps, &[]);
            }
        }
    }

    fn words(&mut self, words: &[Word]) {
        self.steps(command::read(words), words);
    }

    /// Steps that were read from words; the words behind a script are its arguments.
    fn steps(&mut self, steps: Vec<Step>, words: &[Word]) {
        let mut steps = steps.into_iter();
        while let Some(step) = steps.next() {
            let script = match &step {
                Step::Script { path, at } => self.script_at(path).map(|id| (id, *at)),
                _ => None,
            };
            if let Some((id, at)) = script {
                let arguments = arguments_after(words, at);
                self.script(step, id, &arguments, steps.collect());
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

    /// The file that a script of the image is.
    fn script_at(&self, path: &str) -> Option<FileId> {
        let files = self.files.filter(|_| self.scripts < MOST_SCRIPTS)?;
        let id = if path.contains('/') {
            files.find(path)
        } else {
            files.find_program(path)
        }?;
        matches!(
            self.repository.file(id).model,
            Model::Shell(_) | Model::Python(_)
        )
        .then_some(id)
    }

    fn push(&mut self, step: Step, stays: Option<bool>) {
        if self.is_first_open && stays != Some(false) {
            self.is_first_open = false;
            self.path.first = stays.map(|_| self.path.steps.len());
        }
        self.path.steps.push(step);
    }

    /// A script of the repository. `passed` are the steps that its arguments would be.
    fn script(&mut self, step: Step, id: FileId, arguments: &[Word], passed: Vec<Step>) {
        self.scripts += 1;
        let Model::Shell(script) = &self.repository.file(id).model else {
            self.python(step);
            return;
        };
        self.path.script.get_or_insert(id);
        let has_arguments = !arguments.is_empty() || !passed.is_empty();
        let Some((end, is_sure)) = end_of(script, has_arguments) else {
            self.push(step, Some(true));
            return;
        };
        self.push(step, Some(!end.has_exec));
        if !is_sure {
            self.path.confidence = self.path.confidence.min(Confidence::Medium);
        }
        if end.is_arguments() && arguments.is_empty() {
            self.steps(passed, &[]);
        } else {
            self.words(&expand(&end.words, arguments));
        }
    }

    /// `./manage.py` with `#!/usr/bin/env python`.
    fn python(&mut self, step: Step) {
        let Step::Script { path, at } = step else {
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

fn script_at(step: &Step) -> Option<Location> {
    match step {
        Step::Script { at, .. } => Some(*at),
        _ => None,
    }
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

/// The command that a script ends in, and whether it is the only one that it may end in.
fn end_of(script: &Script, has_arguments: bool) -> Option<(&Command, bool)> {
    let ends: Vec<&Command> = script
        .commands
        .iter()
        .filter(|command| command.is_last && !command.is_background && !command.is_aside())
        .collect();
    let passes_on = |command: &&&Command| command.words.iter().any(is_all_arguments);
    if let [only] = ends[..] {
        return Some((only, true));
    }
    if let Some(command) = ends.iter().find(passes_on).filter(|_| has_arguments) {
        return Some((command, false));
    }
    let is_server = |command: &&&Command| {
        command::read(&command.words)
            .iter()
            .any(|step| matches!(step, Step::Server(_)))
    };
    let chosen = ends
        .iter()
        .find(is_server)
        .copied()
        .or_else(|| script.main())?;
    Some((chosen, false))
}

/// `"$@"` and its like.
fn is_all_arguments(word: &Word) -> bool {
    matches!(word.text.trim_matches('"'), "$@" | "${@}" | "$*" | "${*}")
}

/// `"$@"` becomes the arguments.
fn expand(words: &[Word], arguments: &[Word]) -> Vec<Word> {
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
