//! `cargo xtask demo`: build, a venv with NumPy, pandas and gunicorn, the module beside it, then the program's own demo.

use crate::tools::{DEMO_PACKAGES, Result, complain, python_environment, target_dir};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    // stdout is the demo's own: it may be JSON
    complain("building the static release program");
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
    match module() {
        Ok(folder) => {
            demo.env("PYTHONPATH", folder);
        }
        Err(error) => complain(&format!(
            "without the Python module, so that requests are not marked for the recorder: {error}"
        )),
    }
    let has_page = args.iter().any(|arg| arg.starts_with("--page"));
    demo.args(args);
    if !has_page {
        demo.arg("--page").arg(target_dir().join("demo-stall.html"));
    }
    let status = demo.status()?;
    Ok(ExitCode::from(
        status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(2),
    ))
}

/// The Python package with its extension, in a folder of its own: an application marks its requests with it.
fn module() -> Result<PathBuf> {
    let folder = target_dir().join("demo-module");
    crate::bench::lay_out_module(&folder)?;
    Ok(folder)
}
