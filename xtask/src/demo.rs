//! `cargo xtask demo`: build, a venv with NumPy, pandas and gunicorn, then the program's own demo.

use crate::tools::{DEMO_PACKAGES, Result, complain, python_environment, say};
use std::process::{Command, ExitCode};

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    say("building the static release program");
    let program = crate::dist::build()?;
    let mut demo = Command::new(program);
    demo.arg("demo");
    match python_environment("demo-venv", DEMO_PACKAGES) {
        Ok(python) => {
            demo.arg("--python").arg(python);
        }
        // the demo itself says which scenario it cannot run without them
        Err(error) => complain(&format!(
            "skipped: the venv with NumPy, pandas and gunicorn: {error}"
        )),
    }
    let status = demo.args(args).status()?;
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(2),
    ))
}
