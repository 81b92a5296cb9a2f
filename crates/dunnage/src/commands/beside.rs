//! `check`, `explain` and `lsp`: the commands of `dunnage-check`, a program of its own beside this one.
//!
//! What they need (parsers of Dockerfiles, YAML and Python, the rules and their pages) is as large as everything else
//! together, and is used where files are, not where containers run. In one program, each PID 1 would pay for it in memory for
//! as long as it lives. Whoever calls sees one program: the other one gets the same words and takes this one's place.
//!
//! It is looked for in the folder of this program's file and nowhere else: PATH and the working directory may hold what
//! somebody else put there.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use dunnage_cli::output;
use dunnage_run::Inherited;

const PROGRAM: &str = "dunnage-check";

/// The code of a command that is not found, as a shell has it.
const NOT_FOUND: u8 = 127;

/// Words for the other program: not read here.
#[derive(Debug, Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    words: Vec<OsString>,
}

/// Becomes the other program, with these arguments (the first is this program's name). Returns only on failure.
pub fn run(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().with_context(|| {
        format!("{PROGRAM} lies beside this program's file, whose path is not known")
    })?;
    let program = own.with_file_name(PROGRAM);
    let own_words = arguments.iter().skip(1).cloned();
    let words: Vec<_> = std::iter::once(program.clone().into_os_string())
        .chain(own_words)
        .collect();
    let environment: Vec<_> = std::env::vars_os().collect();
    let inherited = Inherited::take().context("cannot read the signal mask")?;
    let refusal = dunnage_run::execute_directly(&words, &environment, inherited);
    let told = if refusal.code == NOT_FOUND {
        let folder = own.parent().unwrap_or(&own);
        format!(
            "`check`, `explain` and `lsp` are in the program {PROGRAM}, which is not in {}, beside this one; hint: \
             `pip install dunnage` where the files are brings both, a container needs this one alone",
            folder.display(),
        )
    } else {
        format!("cannot run {}: {}", program.display(), refusal.reason)
    };
    Ok(output::fail(2, &told))
}
