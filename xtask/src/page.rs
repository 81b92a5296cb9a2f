//! `cargo xtask page` and `cargo xtask picture`: the recorder's page, for people who look at it.

use crate::tools::{Result, cargo, find_program, root, say, stdout_of, target_dir};
use std::path::Path;
use std::process::{Command, ExitCode};

/// What a picture in a README may weigh.
const PICTURE_BYTES: u64 = 200_000;

/// Writes the page of a made-up timeline below `target`.
pub(crate) fn run(names: &[String]) -> Result<ExitCode> {
    let name = match names {
        [] => "stall",
        [name] if ["stall", "large"].contains(&name.as_str()) => name,
        _ => return Err("expected `stall` or `large`".into()),
    };
    let page = stdout_of(&mut cargo([
        "run",
        "--quiet",
        "--locked",
        "-p",
        "dunnage-timeline",
        "--example",
        "page",
        "--",
        name,
    ]))?;
    let folder = target_dir().join("page");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{name}.html"));
    std::fs::write(&file, page)?;
    say(&file.display().to_string());
    Ok(ExitCode::SUCCESS)
}

/// Makes `docs/record.png` of the first screen of a page: verdict, what to do, the slowest request.
pub(crate) fn picture(page: &str) -> Result<ExitCode> {
    let page = std::fs::canonicalize(page).map_err(|error| format!("{page}: {error}"))?;
    let browser = find_program("chromium")
        .ok_or("chromium is not there; on Debian: apt-get install chromium")?;
    let picture = root().join("docs/record.png");
    take(&browser, &page, &picture)?;
    let bytes = std::fs::metadata(&picture)?.len();
    say(&format!(
        "{}: {} KB",
        picture.display(),
        bytes.div_ceil(1000)
    ));
    if bytes > PICTURE_BYTES {
        return Err(format!("the picture is larger than {} KB", PICTURE_BYTES / 1000).into());
    }
    Ok(ExitCode::SUCCESS)
}

fn take(browser: &Path, page: &Path, picture: &Path) -> Result<()> {
    // what it prints speaks of desktops that are not there; it is shown where the picture is not made
    stdout_of(
        Command::new(browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--hide-scrollbars",
            ])
            .args([
                "--window-size=1400,880",
                "--force-device-scale-factor=0.85",
                "--virtual-time-budget=3000",
            ])
            .arg(format!("--screenshot={}", picture.display()))
            .arg(format!("file://{}", page.display())),
    )?;
    Ok(())
}
