//! What the command lines of both programs share: options that are also variables, words on stdout and stderr, the tables of
//! options for the documentation.
//!
//! `dunnage` and `dunnage-check` look like one program to whoever calls them, so they must read variables and speak of
//! mistakes alike.

pub mod env;
pub mod output;
pub mod page;
