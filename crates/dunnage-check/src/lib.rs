//! The production-ready checklist for Python on Kubernetes, as rules over the files of a repository.
//!
//! Texts go in, findings come out. Each [`File`] is parsed by itself into a small model ([`parse`]); a [`graph`] of
//! workloads joins them: manifest → container → image → stage of a Dockerfile → entrypoint script → server → Python module →
//! imports, under limits, probes and grace. A rule ([`rules`]) looks at files or workloads and gives findings
//! ([`finding`]), each with a severity, a confidence, the chain of evidence and fixes. Nothing here reads a file, a clock or
//! a process: who walks the folder and who prints is the program's business.

pub mod baseline;
pub mod engine;
pub mod finding;
pub mod fix;
pub mod graph;
mod names;
pub mod parse;
pub mod places;
pub mod render;
pub mod repository;
pub mod rules;
pub mod settings;
pub mod source;
pub mod suppress;

pub use baseline::Baseline;
pub use engine::{Report, check};
pub use finding::{Confidence, Evidence, Finding, Severity};
pub use fix::{Edit, Fix, Safety};
pub use places::Places;
pub use repository::{File, Repository};
pub use settings::Settings;
pub use source::{FileId, Location, Source, Span, Stated};
