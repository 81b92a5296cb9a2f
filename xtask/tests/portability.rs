//! Nothing assumes the processor or the C library of the machine that it is written on.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at the first thing that is not as it must be, and says what it skipped"
)]

use std::path::Path;
use std::process::Command;

/// What wheels are published for, beside this machine's own target.
const TARGETS: [&str; 3] = [
    "aarch64-unknown-linux-gnu",
    "aarch64-unknown-linux-musl",
    "x86_64-unknown-linux-musl",
];

/// Whether the standard library for a target is installed.
fn has_std(target: &str) -> bool {
    let told = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .output();
    told.is_ok_and(|told| {
        let folder = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        told.status.success() && Path::new(&folder).is_dir()
    })
}

#[test]
fn the_programs_and_the_extension_compile_for_every_published_target() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for target in TARGETS {
        if !has_std(target) {
            println!("skipped: compiling for {target}: needs `rustup target add {target}`");
            continue;
        }
        let checked = Command::new(&cargo)
            .args(["check", "--quiet", "--locked", "--target", target])
            .args(["-p", "dunnage", "-p", "dunnage-lint", "-p", "dunnage-py"])
            // of its own: another cargo may hold the lock of the folder that this test was built in
            .args([
                "--target-dir",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/portability"),
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{target}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}
