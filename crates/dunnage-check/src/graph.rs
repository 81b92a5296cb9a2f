//! Workloads: what runs, from which image, by which command, under which limits.
//!
//! Each container of a manifest, each service of a Compose file, and each Dockerfile that nothing refers to is one
//! [`Workload`]. Its fields are what holds after everything that overrides: a manifest's `command` over the image's
//! `ENTRYPOINT`, its `env` over `ENV`. Each value keeps the place where it was written.

mod build;
mod choices;
pub mod compose;
pub mod config;
mod declare;
mod development;
mod effective;
mod ending;
mod files;
mod images;
pub mod imports;
pub mod kubernetes;
pub mod listens;
pub mod mcp;
mod packages;
mod python;
pub mod reach;
pub mod render;
mod scripts;
pub mod staying;
mod steps;
pub mod workload;

use crate::repository::Repository;
use images::Images;
pub use images::{Hint, Hints};
pub use render::{render_json, render_text};
pub use workload::Workload;

/// All workloads of a repository.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// In the order of their files.
    pub workloads: Vec<Workload>,
}

impl Graph {
    /// Joins the files.
    pub fn build(repository: &Repository) -> Self {
        Self::build_with(repository, &Hints::default())
    }

    /// Joins the files, and believes what a person says about images.
    pub fn build_with(repository: &Repository, hints: &Hints) -> Self {
        let mut images = Images::new(repository, hints);
        Self {
            workloads: declare::all(repository, &mut images),
        }
    }
}
