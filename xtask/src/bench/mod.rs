use crate::tools::Result;
use std::process::ExitCode;
pub(crate) fn run() -> Result<ExitCode> {
    Err("not built yet".into())
}
