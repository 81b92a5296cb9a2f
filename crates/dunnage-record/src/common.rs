//! What all processes share while they are looked at.

use std::collections::HashMap;

use dunnage_timeline::Nanos;

use crate::stream::{Fact, Sink};
use crate::task::Buffer;

/// What a process needs of others while it is looked at.
pub struct Common<'a> {
    /// Where facts go.
    pub sink: &'a mut dyn Sink,
    /// `CLOCK_MONOTONIC` of the recording's beginning.
    pub begin: Nanos,
    /// Threads told so far: the next one's number.
    pub threads: &'a mut u32,
    /// Descriptors that may still be kept.
    pub room: &'a mut usize,
    /// Notes that were told already.
    pub notes: &'a mut Notes,
    /// Names that marks use.
    pub names: &'a mut Names,
    /// Marks that were overwritten before they were read.
    pub lost_marks: &'a mut u64,
    /// Whether threads that have not run need not be looked at.
    pub may_skip: bool,
    /// Room for a file.
    pub buffer: &'a mut Buffer,
}

impl Common<'_> {
    /// Tells a person something.
    pub fn note(&mut self, text: String) {
        self.notes.tell(text, self.sink);
    }
}

/// Each note is told once, and not more than a person reads.
#[derive(Debug, Default)]
pub struct Notes(Vec<String>);

impl Notes {
    const MOST: usize = 50;

    pub fn tell(&mut self, text: String, sink: &mut dyn Sink) {
        if self.0.len() < Self::MOST && !self.0.contains(&text) {
            self.0.push(text.clone());
            sink.fact(Fact::Note { text });
        }
    }
}

/// The names of marks, numbered as they come.
#[derive(Debug, Default)]
pub struct Names(HashMap<String, u32>);

impl Names {
    /// A process has 255 at most, but one that becomes another program again and again has new ones each time.
    const MOST: usize = 4096;

    /// The number of a name, which is told when it is new. Of too many the rest have the empty name.
    pub fn number_of(&mut self, name: &str, sink: &mut dyn Sink) -> u32 {
        let is_known = self.0.contains_key(name);
        let name = if is_known || self.0.len() < Self::MOST {
            name
        } else {
            ""
        };
        if let Some(number) = self.0.get(name) {
            return *number;
        }
        let number = self.0.len() as u32;
        self.0.insert(name.to_owned(), number);
        let name = name.to_owned();
        sink.fact(Fact::Name { name });
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Look, Wanted};

    struct Told(Vec<String>);

    impl Sink for Told {
        fn fact(&mut self, fact: Fact) {
            if let Fact::Name { name } = fact {
                self.0.push(name);
            }
        }

        fn look(&mut self, _: &Look) -> Wanted {
            Wanted::More
        }
    }

    #[test]
    fn however_many_names_are_used_few_are_kept_and_those_stay_known() {
        let (mut names, mut told) = (Names::default(), Told(Vec::new()));
        let numbers: Vec<u32> = (0..3 * Names::MOST)
            .map(|name| names.number_of(&format!("n{name}"), &mut told))
            .collect();
        assert_eq!(told.0.len(), Names::MOST + 1);
        assert_eq!(told.0.last().map(String::as_str), Some(""));
        let (known, rest) = numbers.split_at(Names::MOST);
        assert!(known.iter().copied().eq(0..Names::MOST as u32));
        assert!(rest.iter().all(|number| *number == Names::MOST as u32));
        assert_eq!(names.number_of("n7", &mut told), 7);
    }
}
