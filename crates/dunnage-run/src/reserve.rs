//! A few descriptors kept free for the moment of need.
//!
//! With few open files allowed, what was opened for evidence could leave none to look at `/proc` with when a signal must
//! be passed on through a shell. These are held from the start and let go while we act.

use std::fs::File;

/// A look needs one for the folder, one for a process's file, one to pin the process.
const COUNT: usize = 3;

/// Descriptors that are held for nothing but to be let go.
#[derive(Debug, Default)]
pub struct Reserve(Vec<File>);

impl Reserve {
    /// Holds as many as can be had, up to three.
    pub fn hold(&mut self) {
        while self.0.len() < COUNT {
            let Ok(folder) = File::open("/") else { return };
            self.0.push(folder);
        }
    }

    /// Lets them go.
    pub fn release(&mut self) {
        self.0.clear();
    }

    /// Whether any is held.
    #[cfg(test)]
    pub fn is_held(&self) -> bool {
        !self.0.is_empty()
    }
}
