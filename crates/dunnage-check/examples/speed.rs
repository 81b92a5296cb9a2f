//! How long a folder takes, and how much memory: reading aside, parsing, joining, all rules. `cargo run --release --example speed FOLDER`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    reason = "a measurement reads files, asks the clock and prints"
)]

use dunnage_check::Repository;
use dunnage_check::graph::Graph;
use dunnage_check::rules::{self, Context};
use std::path::Path;
use std::time::Instant;

fn read(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(root, &path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            found.push((name.into_owned(), text));
        }
    }
}

/// The most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib >> 10
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let mut texts = Vec::new();
    read(Path::new(&folder), Path::new(&folder), &mut texts);
    let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
    let files = texts.len();

    let mut peaks = vec![peak()];
    let start = Instant::now();
    let repository = Repository::parse(texts);
    let parsed = start.elapsed();
    peaks.push(peak());
    let graph = Graph::build(&repository);
    let joined = start.elapsed();
    peaks.push(peak());
    let context = Context {
        repository: &repository,
        graph: &graph,
    };
    let all: Vec<_> = rules::all().collect();
    let findings = rules::check(&context, &all);
    let checked = start.elapsed();
    peaks.push(peak());
    println!(
        "{files} files, {bytes} bytes: parsed in {parsed:?}, joined in {:?}, checked in {:?}, all {checked:?}; {} workloads, {} findings; at the most {peaks:?} MiB after each",
        joined - parsed,
        checked - joined,
        graph.workloads.len(),
        findings.len()
    );
}
