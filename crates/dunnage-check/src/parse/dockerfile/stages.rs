//! From instructions to stages: what each sets, and what it has from an earlier one.

use super::lines::{self, Instruction, NOTHING};
use super::paths::absolute;
use super::words::{self, stated};
use super::{Dockerfile, Form, Stage, Start};
use crate::parse::Problem;
use crate::source::{FileId, Location, Source, Span, Stated};

/// No person writes a longer one, and stages that inherit are copied.
const MAX_BYTES: usize = 1 << 20;

/// Parses a Dockerfile.
pub(super) fn parse(source: &Source, file: FileId) -> Result<Dockerfile, Problem> {
    if source.text.len() > MAX_BYTES {
        return Err(Problem {
            message: "too large for a Dockerfile".to_owned(),
            span: Span::default(),
        });
    }
    let mut builder = Builder {
        text: &source.text,
        file,
        result: Dockerfile::default(),
        arguments: Vec::new(),
        sets_command: false,
    };
    for instruction in lines::read(&source.text)? {
        builder.take(&instruction)?;
    }
    Ok(builder.result)
}

pub(super) struct Builder<'a> {
    pub(super) text: &'a str,
    pub(super) file: FileId,
    pub(super) result: Dockerfile,
    /// `ARG`s of the current stage with their defaults.
    pub(super) arguments: Vec<(String, Option<String>)>,
    /// Did the current stage have a `CMD` of its own?
    sets_command: bool,
}

impl Builder<'_> {
    pub(super) fn location(&self, span: Span) -> Location {
        Location {
            file: self.file,
            span,
        }
    }

    fn take(&mut self, instruction: &Instruction) -> Result<(), Problem> {
        let problem = |message: String| Problem {
            message,
            span: instruction.span(),
        };
        match instruction.keyword.as_str() {
            "FROM" => return self.from(instruction),
            "ARG" => {
                self.argument(instruction);
                return Ok(());
            }
            "ADD" | "CMD" | "COPY" | "ENTRYPOINT" | "ENV" | "EXPOSE" | "HEALTHCHECK" | "LABEL"
            | "MAINTAINER" | "ONBUILD" | "RUN" | "SHELL" | "STOPSIGNAL" | "USER" | "VOLUME"
            | "WORKDIR" => {}
            // what the builders of others know: Earthly, old Docker, BuildKit's labs
            "INCLUDE" => return Ok(()),
            other => return Err(problem(format!("unknown instruction `{other}`"))),
        }
        let Some(mut stage) = self.result.stages.pop() else {
            return Err(problem(format!(
                "{} before the first FROM",
                instruction.keyword
            )));
        };
        self.set(&mut stage, instruction);
        stage.span = stage.span.to(instruction.span());
        if let Some(document) = instruction.documents.last() {
            stage.span = stage.span.to(Span::new(document.range.clone()));
        }
        self.result.stages.push(stage);
        Ok(())
    }

    fn argument(&mut self, instruction: &Instruction) {
        for (name, default, range) in words::pairs(&instruction.arguments) {
            let value = default.map(|value| self.expand(&value));
            if self.result.stages.is_empty() {
                let value = value.map(|value| stated(value, instruction, range, self.file));
                self.result.arguments.push((name, value));
            } else {
                // `ARG NAME` alone takes the default from before the first FROM
                let value = value.or_else(|| self.global(&name));
                self.arguments.push((name, value));
            }
        }
    }

    fn global(&self, name: &str) -> Option<String> {
        let found = self
            .result
            .arguments
            .iter()
            .rev()
            .find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.as_ref().map(|value| value.value.clone()))
    }

    /// Variables of the stage: `ENV` over `ARG`. Before the first stage: `ARG`s.
    fn expand(&self, text: &str) -> String {
        let stage = self.result.stages.last();
        self.expand_in(stage, text)
    }

    pub(super) fn expand_in(&self, stage: Option<&Stage>, text: &str) -> String {
        words::expand(text, &|name| {
            let Some(stage) = stage else {
                return self.global(name);
            };
            let set = stage.environment.iter().find(|(known, _)| known == name);
            let of_stage = || {
                let found = self.arguments.iter().rev().find(|(known, _)| known == name);
                found.and_then(|(_, value)| value.clone())
            };
            set.map(|(_, value)| value.value.clone()).or_else(of_stage)
        })
    }

    fn from(&mut self, instruction: &Instruction) -> Result<(), Problem> {
        let (flags, begin) = words::flags(&instruction.arguments);
        debug_assert!(flags.len() <= instruction.arguments.len());
        let found = words::split(&instruction.arguments[begin..]);
        let mut found = found
            .into_iter()
            .map(|(range, word)| (range.start + begin..range.end + begin, word));
        let Some((range, image)) = found.next() else {
            return Err(Problem {
                message: "FROM without an image".to_owned(),
                span: instruction.span(),
            });
        };
        let name = match (found.next(), found.next()) {
            (Some((_, word)), Some((range, name))) if word.eq_ignore_ascii_case("as") => {
                Some(stated(name, instruction, range, self.file))
            }
            _ => None,
        };
        let image = words::expand(&image, &|name| self.global(name));
        let parent = self.result.stages.iter().rposition(|stage| {
            stage
                .name
                .as_ref()
                .is_some_and(|name| name.value.eq_ignore_ascii_case(&image))
        });
        let mut stage = match parent {
            Some(parent) => Stage {
                parent: Some(parent),
                ..self.result.stages[parent].clone()
            },
            None => Stage::new(stated(image, instruction, range, self.file)),
        };
        stage.name = name;
        stage.from = self.location(instruction.span());
        stage.span = instruction.span();
        self.arguments.clear();
        self.sets_command = false;
        self.result.stages.push(stage);
        Ok(())
    }

    fn set(&mut self, stage: &mut Stage, instruction: &Instruction) {
        let whole = || instruction.arguments.replace(NOTHING, "");
        let whole_stated = |value: String| {
            stated(
                value,
                instruction,
                0..instruction.arguments.len(),
                self.file,
            )
        };
        match instruction.keyword.as_str() {
            "ENTRYPOINT" => {
                stage.entrypoint = self.start(instruction);
                if !self.sets_command {
                    stage.command = None;
                }
            }
            "CMD" => {
                stage.command = self.start(instruction);
                self.sets_command = true;
            }
            "ENV" => self.environment(stage, instruction),
            "USER" => stage.user = Some(whole_stated(self.expand_in(Some(stage), &whole()))),
            "STOPSIGNAL" => {
                stage.stop_signal = Some(whole_stated(self.expand_in(Some(stage), &whole())));
            }
            "WORKDIR" => {
                let path = whole();
                let path = self.expand_in(Some(stage), path.trim_matches(['"', '\'']));
                let path = absolute(stage.workdir.as_ref(), &path);
                stage.workdir = Some(whole_stated(path));
            }
            "SHELL" => {
                let shell = words::array(instruction, self.file);
                let shell = shell.map(|words| words.into_iter().map(|word| word.text).collect());
                let at = self.location(instruction.span());
                stage.shell = shell
                    .map(|shell| Stated::new(shell, at))
                    .or(stage.shell.take());
            }
            "HEALTHCHECK" => {
                let is_none = whole().trim().eq_ignore_ascii_case("none");
                stage.healthcheck = (!is_none).then(|| self.location(instruction.span()));
            }
            "EXPOSE" => {
                for (range, port) in words::split(&instruction.arguments) {
                    let port = self.expand_in(Some(stage), &port);
                    stage
                        .exposed
                        .push(stated(port, instruction, range, self.file));
                }
            }
            "COPY" | "ADD" => self.copy(stage, instruction),
            "RUN" => {
                let mut text = whole();
                for document in &instruction.documents {
                    text.push('\n');
                    text.push_str(&self.text[document.range.clone()]);
                }
                stage.runs.push(whole_stated(text));
                self.run(stage, instruction);
            }
            _ => {}
        }
    }

    fn start(&self, instruction: &Instruction) -> Option<Start> {
        if instruction.arguments.is_empty() {
            return None;
        }
        let form = match words::array(instruction, self.file) {
            // `CMD []` and `ENTRYPOINT []` take back what was there
            Some(words) if words.is_empty() => return None,
            Some(words) => Form::Exec(words),
            None => Form::Shell(for_shell(&instruction.arguments)),
        };
        Some(Start {
            form,
            at: self.location(instruction.span()),
            arguments: self.location(Span::new(instruction.range.clone())),
        })
    }

    fn environment(&self, stage: &mut Stage, instruction: &Instruction) {
        // all of one instruction see what was before it
        let before = stage.clone_environment();
        for (name, value, range) in words::pairs(&instruction.arguments) {
            let value = value.unwrap_or_default();
            let value = words::expand(&value, &|wanted| {
                let set = before.iter().find(|(known, _)| known == wanted);
                let argument = || {
                    let found = self
                        .arguments
                        .iter()
                        .rev()
                        .find(|(known, _)| known == wanted);
                    found.and_then(|(_, value)| value.clone())
                };
                set.map(|(_, value)| value.clone()).or_else(argument)
            });
            let value = stated(value, instruction, range, self.file);
            match stage
                .environment
                .iter_mut()
                .find(|(known, _)| *known == name)
            {
                Some((_, old)) => *old = value,
                None => stage.environment.push((name, value)),
            }
        }
    }
}

/// The arguments as the shell gets them, of the same length: a line that goes on does so by a backslash, a comment
/// between lines is blank.
pub(super) fn for_shell(arguments: &str) -> String {
    let mut text = String::with_capacity(arguments.len());
    let mut since = 0;
    for letter in arguments.chars() {
        match (letter, since) {
            (NOTHING, 0) => text.push('\\'),
            (NOTHING, 1) => text.push('\n'),
            (NOTHING, _) => text.push(' '),
            _ => text.push(letter),
        }
        since = if letter == NOTHING { since + 1 } else { 0 };
    }
    text
}

impl Stage {
    /// One of which nothing but its base is known yet.
    pub(crate) fn new(base: Stated<String>) -> Self {
        Self {
            name: None,
            parent: None,
            from: base.at,
            span: base.at.span,
            base,
            entrypoint: None,
            command: None,
            environment: Vec::new(),
            user: None,
            stop_signal: None,
            workdir: None,
            shell: None,
            healthcheck: None,
            exposed: Vec::new(),
            copies: Vec::new(),
            runs: Vec::new(),
            written: Vec::new(),
        }
    }

    fn clone_environment(&self) -> Vec<(String, String)> {
        let pairs = self.environment.iter();
        pairs
            .map(|(name, value)| (name.clone(), value.value.clone()))
            .collect()
    }
}
