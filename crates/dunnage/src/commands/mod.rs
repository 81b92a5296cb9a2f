//! The commands, a file each.

pub mod check;
pub mod compat;
pub mod docs;
pub mod doctor;
pub mod dump;
pub mod exec;
pub mod explain;
pub mod lsp;
pub mod picture;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
