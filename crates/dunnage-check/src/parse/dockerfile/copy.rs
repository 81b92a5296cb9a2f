//! What instructions bring into a stage: files of the build's context, of other stages, and those that they hold the text
//! of.

use super::Stage;
use super::lines::Instruction;
use super::paths::{absolute, passed_on, written_on};
use super::run::{self, Surroundings};
use super::stages::Builder;
use super::words;
use super::written::{Reader, Written};

/// More than this is not followed through stages that copy from stages.
const MAX_COPIES: usize = 1000;

impl Builder<'_> {
    /// What a name holds while this stage is built; none where that is not known: an `ARG` without a default, what the
    /// image below sets.
    fn lookup(&self, stage: &Stage, name: &str) -> Option<String> {
        let set = stage.environment.iter().find(|(known, _)| known == name);
        let argument = || {
            let found = self.arguments.iter().rev().find(|(known, _)| known == name);
            found.and_then(|(_, value)| value.clone())
        };
        let value = set.map(|(_, value)| value.value.clone()).or_else(argument);
        value.filter(|value| !value.contains('$'))
    }

    pub(super) fn run(&self, stage: &mut Stage, instruction: &Instruction) {
        if !instruction.arguments.contains('>') && instruction.documents.is_empty() {
            return;
        }
        let before = stage.clone();
        let around = Surroundings {
            text: self.text,
            file: self.file,
            lookup: &|name| self.lookup(&before, name),
        };
        run::written(&around, instruction, stage);
    }

    /// `COPY <<EOF /entrypoint.sh`: the file is called after its document where it goes into a folder.
    fn copy_documents(
        &self,
        stage: &mut Stage,
        instruction: &Instruction,
        (destination, is_folder): (&str, bool),
    ) {
        for document in &instruction.documents {
            let path = if is_folder {
                format!("{}/{}", destination.trim_end_matches('/'), document.name)
            } else {
                destination.to_owned()
            };
            let mut file = Written::new(path, self.location(instruction.span()));
            let reader = if document.is_quoted {
                Reader::Nobody
            } else {
                Reader::Builder
            };
            let lookup = |name: &str| self.lookup(stage, name);
            let range = document.range.clone();
            file.document(self.text, range, document.strips_tabs, reader, &lookup);
            stage.written.retain(|other| other.path != file.path);
            stage.written.push(file);
        }
    }

    pub(super) fn copy(&self, stage: &mut Stage, instruction: &Instruction) {
        let (flags, begin) = words::flags(&instruction.arguments);
        let at = self.location(instruction.span());
        let listed = words::array(instruction, self.file)
            .map(|words| words.into_iter().map(|word| word.text).collect::<Vec<_>>());
        let found = listed.unwrap_or_else(|| {
            let words = words::split(&instruction.arguments[begin..]);
            words.into_iter().map(|(_, word)| word).collect()
        });
        let found: Vec<String> = found
            .iter()
            .map(|word| self.expand_in(Some(stage), word))
            .collect();
        let Some((destination, sources)) = found.split_last() else {
            return;
        };
        let destination = absolute(stage.workdir.as_ref(), destination);
        let workdir = stage.workdir.as_ref().map_or("", |at| at.value.as_str());
        let is_folder = destination.ends_with('/') || sources.len() > 1 || destination == workdir;
        self.copy_documents(stage, instruction, (&destination, is_folder));
        let Some((_, from)) = flags.iter().find(|(name, _)| name == "from") else {
            let sources: Vec<String> = sources
                .iter()
                .filter(|source| !source.starts_with("<<"))
                .cloned()
                .collect();
            if !sources.is_empty() {
                stage.copies.push((sources, destination, at));
            }
            return;
        };
        let from = self.result.stages.iter().position(|stage| {
            stage
                .name
                .as_ref()
                .is_some_and(|name| name.value.eq_ignore_ascii_case(from))
        });
        let from = from.and_then(|index| self.result.stages.get(index));
        for source in sources {
            let through = from
                .map(|from| passed_on(from, source, &destination))
                .unwrap_or_default();
            let room = MAX_COPIES.saturating_sub(stage.copies.len());
            let through = through.into_iter().map(|(sources, to)| (sources, to, at));
            stage.copies.extend(through.take(room));
            let written = from.map(|from| written_on(from, source, &destination));
            let room = MAX_COPIES.saturating_sub(stage.written.len());
            stage
                .written
                .extend(written.into_iter().flatten().take(room));
        }
    }
}
