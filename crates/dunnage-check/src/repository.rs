//! The files of a repository, each parsed by itself.

use crate::parse::python::Module;
use crate::parse::{self, Model};
use crate::source::{FileId, Source};

/// A file and what it was understood as.
#[derive(Debug, Clone)]
pub struct File {
    /// Path and text. The text of a file that is none of ours, or that is not judged, is dropped.
    pub source: Source,
    /// What it is.
    pub model: Model,
}

impl File {
    /// Parses a text as what its path and its contents say that it is. Never fails: what does not parse is
    /// [`Model::Unparsed`].
    pub fn parse(path: &str, text: String, id: FileId) -> Self {
        let source = Source {
            path: path.to_owned(),
            text,
        };
        let model = parse::parse(&source, id);
        let mut file = Self { source, model };
        if matches!(file.model, Model::Nothing | Model::Template) {
            file.source.text = String::new();
        }
        file
    }

    /// The facts of a Python file, whose id this is.
    pub fn module(&self, id: FileId) -> Option<&Module> {
        match &self.model {
            Model::Python(facts) => Some(facts.get(&self.source, id)),
            _ => None,
        }
    }
}

/// All files that are checked together.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    files: Vec<File>,
}

impl Repository {
    /// Of texts with their paths, parsed on all threads of the caller's rayon pool. Sorted by path.
    pub fn parse(mut texts: Vec<(String, String)>) -> Self {
        use rayon::prelude::*;
        texts.sort();
        let files = texts
            .into_par_iter()
            .enumerate()
            .map(|(index, (path, text))| File::parse(&path, text, FileId(index as u32)))
            .collect();
        Self { files }
    }

    /// Of paths, each read by the caller's function and parsed at once on the threads of its rayon pool. What cannot be
    /// read is an empty file of no kind.
    pub fn load(mut paths: Vec<String>, read: impl Fn(&str) -> Option<String> + Sync) -> Self {
        use rayon::prelude::*;
        paths.sort();
        paths.dedup();
        let files = paths
            .into_par_iter()
            .enumerate()
            .map(|(index, path)| match read(&path) {
                Some(text) => File::parse(&path, text, FileId(index as u32)),
                None => File {
                    source: Source {
                        path,
                        text: String::new(),
                    },
                    model: Model::Nothing,
                },
            })
            .collect();
        Self { files }
    }

    /// Gives a file another text, and parses it anew.
    pub fn replace(&mut self, id: FileId, text: String) {
        let file = &mut self.files[id.0 as usize];
        *file = File::parse(&file.source.path, text, id);
    }

    /// Each file with its id.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files
            .iter()
            .enumerate()
            .map(|(index, file)| (FileId(index as u32), file))
    }

    /// The file with an id that came from here.
    pub fn file(&self, id: FileId) -> &File {
        &self.files[id.0 as usize]
    }

    /// The facts of a file, if it is Python.
    pub fn module(&self, id: FileId) -> Option<&Module> {
        self.file(id).module(id)
    }

    /// The files below a folder, in the order of their paths; all for the root, which is empty.
    pub fn below(&self, folder: &str) -> impl Iterator<Item = &File> {
        let start = format!("{folder}/");
        let prefix = if folder.is_empty() {
            ""
        } else {
            start.as_str()
        }
        .to_owned();
        let first = self
            .files
            .partition_point(|file| file.source.path.as_str() < prefix.as_str());
        self.files[first..]
            .iter()
            .take_while(move |file| file.source.path.starts_with(&prefix))
    }

    /// The file at a path.
    pub fn at(&self, path: &str) -> Option<FileId> {
        let index = self
            .files
            .binary_search_by(|file| file.source.path.as_str().cmp(path))
            .ok()?;
        Some(FileId(index as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::Repository;

    #[test]
    fn the_files_below_a_folder_are_its_own_and_no_namesakes() {
        let paths = ["a.py", "a/b.py", "a/c/d.py", "ab/e.py", "b.py"];
        let texts = paths.map(|path| (path.to_owned(), String::new()));
        let repository = Repository::parse(texts.to_vec());
        let below = |folder| -> Vec<&str> {
            let files = repository.below(folder);
            files.map(|file| file.source.path.as_str()).collect()
        };
        assert_eq!(below("a"), ["a/b.py", "a/c/d.py"]);
        assert_eq!(below(""), paths);
        assert!(below("c").is_empty());
    }
}
