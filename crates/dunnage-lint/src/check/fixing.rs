//! `--fix` and `--diff`: apply what the findings offer, and tell what is left.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use dunnage_check::fix::{self, Mended, unified_diff};
use dunnage_check::{Baseline, Report, Safety, Settings};
use dunnage_cli::output;

use super::walk::{self, Roots};
use super::write::Target;

#[derive(Debug, Args)]
pub struct FixOptions {
    /// Mend what was found and write the files: `safe` where a program stays what it is, `unsafe` also where behaviour
    /// changes or a value was chosen for you: look at the result
    #[arg(
        long,
        value_enum,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "safe",
        value_name = "safe|unsafe",
        hide_possible_values = true,
        conflicts_with = "write_baseline",
        help_heading = "Fixes"
    )]
    fix: Option<Level>,

    /// Show what --fix would change, and change nothing
    #[arg(long, conflicts_with = "write_baseline", help_heading = "Fixes")]
    diff: bool,
}

// no documentation at the values, as with formats
/// Which fixes are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Safe,
    Unsafe,
}

/// Fixing, with all that it needs.
pub struct Job<'a> {
    allowed: Safety,
    is_dry: bool,
    roots: &'a Roots,
    settings: &'a Settings,
    baseline: &'a Baseline,
}

impl FixOptions {
    /// What was asked for; none if nothing is to be fixed.
    pub fn job<'a>(
        &self,
        roots: &'a Roots,
        settings: &'a Settings,
        baseline: &'a Baseline,
    ) -> Option<Job<'a>> {
        let allowed = match self.fix {
            None if !self.diff => return None,
            Some(Level::Unsafe) => Safety::Unsafe,
            Some(Level::Safe) | None => Safety::Safe,
        };
        Some(Job {
            allowed,
            is_dry: self.diff,
            roots,
            settings,
            baseline,
        })
    }
}

impl Job<'_> {
    /// Fixes. `render` shows what is left. The code is that of a check of what is left, or for a diff 1 if there is one.
    pub fn run(self, render: impl Fn(&Report) -> String) -> anyhow::Result<ExitCode> {
        let (repository, skipped) = walk::load(self.roots, &self.settings.exclude)?;
        let mended = fix::mend(repository, self.allowed, |repository| {
            let report = dunnage_check::check(repository, self.settings, self.baseline);
            (report.repository, report.findings)
        });
        if self.is_dry {
            return self.show(&mended);
        }
        self.write(&mended)?;
        let mut report = dunnage_check::check(mended.repository, self.settings, self.baseline);
        report.skipped = skipped;
        output::print(&render(&report))?;
        tell_unsafe(&report, self.allowed);
        Ok(ExitCode::from(u8::from(report.fails(self.settings))))
    }

    fn show(&self, mended: &Mended) -> anyhow::Result<ExitCode> {
        let prefix = self.roots.prefix();
        // an absolute path would make `a//srv/…`
        let prefix = prefix.trim_start_matches('/');
        let diffs = mended
            .changes
            .iter()
            .map(|change| unified_diff(change, prefix));
        let text: String = diffs.collect();
        // `patch` wants every byte, a terminal would obey some
        let is_seen = std::io::stdout().is_terminal();
        output::print(&if is_seen {
            output::letters(&text)
        } else {
            text
        })?;
        tell_refused(mended, self.roots.prefix());
        Ok(ExitCode::from(u8::from(!mended.changes.is_empty())))
    }

    fn write(&self, mended: &Mended) -> anyhow::Result<()> {
        let prefix = self.roots.prefix();
        let name = || self.roots.base().display().to_string();
        let target = Target::open(self.roots.base()).with_context(name)?;
        let mut failed = 0;
        for change in &mended.changes {
            if let Err(error) = target.write(change) {
                output::tell(&format!(
                    "dunnage: {prefix}{}: not written: {error}",
                    change.path
                ));
                failed += 1;
            }
        }
        tell_refused(mended, prefix);
        anyhow::ensure!(
            failed == 0,
            "{failed} of {} files could not be written",
            mended.changes.len()
        );
        if !mended.applied.is_empty() {
            output::tell(&format!(
                "dunnage: {} in {}",
                counted(mended.applied.len(), "fix", "fixes"),
                counted(mended.changes.len(), "file", "files")
            ));
        }
        Ok(())
    }
}

fn tell_refused(mended: &Mended, prefix: &str) {
    for refused in &mended.refused {
        let fix = &refused.fix;
        output::tell(&format!(
            "dunnage: {prefix}{}: {} not fixed ({}): {}",
            fix.path, fix.rule, fix.title, refused.why
        ));
    }
}

/// Says that more could be fixed, where it could.
fn tell_unsafe(report: &Report, allowed: Safety) {
    let more = report
        .findings
        .iter()
        .filter(|finding| {
            fix::best(finding, allowed).is_none() && fix::best(finding, Safety::Unsafe).is_some()
        })
        .count();
    if more > 0 {
        output::tell(&format!(
            "dunnage: {more} more can be fixed by --fix=unsafe, to be looked at"
        ));
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
