//! The commands, a file each.

pub mod beside;
pub mod compat;
pub mod docs;
pub mod doctor;
pub mod dump;
pub mod exec;
pub mod picture;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
