//! What importing common packages takes, measured, for MEM003, MEM004 and PROBE005.
//!
//! Each line is from a process of its own that imports nothing else: the median of 5 runs for memory, of 7 for CPU time,
//! over a bare interpreter (2.8 MiB anonymous). CPython 3.11.7, glibc 2.36, 2 CPUs (AMD EPYC), Linux 6.18, 2026-11-29, with
//! the versions of the last column. Anonymous memory only: what is mapped from files can be given up under a limit.
//!
//! `least` is what a package still adds when all others that do not depend on it have been imported before. The memory of a
//! set of packages is therefore at least one of them alone plus the least of each other: [`at_least`] promises no more. What
//! is not in the table counts as nothing.

use crate::graph::workload::Workload;
use crate::repository::Repository;
use crate::rules::about::is_imported;

/// A package, in tenths of a MiB and hundredths of a second.
struct Line {
    name: &'static str,
    alone: u64,
    least: u64,
    cpu: u64,
}

const fn line(name: &'static str, alone: u64, least: u64, cpu: u64) -> Line {
    Line {
        name,
        alone,
        least,
        cpu,
    }
}

/// The interpreter alone.
const BARE: u64 = 28;

/// Sorted. Packages that take more when others are there (pandas with pyarrow, scikit-learn with pandas) were measured
/// without these. `least` is 0 where another line imports the package anyway.
#[rustfmt::skip]
const TABLE: &[Line] = &[
    line("aiohttp", 176, 0, 0),                // 3.14.5
    line("boto3", 348, 52, 17),                // 1.44.8, with a client for S3
    line("django", 240, 91, 17),               // 5.2.19, django.core.wsgi
    line("fastapi", 231, 76, 26),              // 0.165.0
    line("flask", 165, 21, 14),                // 3.1.3
    line("grpcio", 98, 13, 7),                 // 1.85.3
    line("httpx", 151, 0, 0),                  // 0.28.1
    line("matplotlib", 395, 202, 49),          // 3.11.2, matplotlib.pyplot
    line("numpy", 94, 0, 7),                   // 2.4.6
    line("opencv-python-headless", 136, 33, 0), // 5.0.0.93
    line("pandas", 389, 237, 30),              // 3.1.1, without pyarrow
    line("polars", 232, 125, 17),              // 2.1.0
    line("pyarrow", 158, 0, 10),               // 26.0.1
    line("pydantic", 54, 0, 0),                // 2.14.4
    line("requests", 124, 0, 0),               // 2.34.2
    line("scikit-learn", 808, 177, 116),       // 1.9.1, sklearn.ensemble without pandas
    line("sqlalchemy", 282, 147, 28),          // 2.1.9, sqlalchemy.orm
    line("transformers", 357, 146, 68),        // 5.24.0, without torch
];

const MIB: u64 = 1 << 20;

/// Packages that the program's own modules import.
fn lines(repository: &Repository, workload: &Workload) -> impl Iterator<Item = &'static Line> {
    TABLE
        .iter()
        .filter(|line| is_imported(repository, workload, line.name))
}

/// Bytes that the imports of one process take at least, and the package that takes most; none if no package is known.
pub(in crate::rules) fn at_least(
    repository: &Repository,
    workload: &Workload,
) -> Option<(u64, &'static str)> {
    let largest = lines(repository, workload).max_by_key(|line| line.alone)?;
    let others: u64 = lines(repository, workload)
        .filter(|line| line.name != largest.name)
        .map(|line| line.least)
        .sum();
    Some(((BARE + largest.alone + others) * MIB / 10, largest.name))
}

/// Milliseconds of CPU time that the imports take at least: those of the dearest package alone.
pub(in crate::rules) fn import_cpu_ms(
    repository: &Repository,
    workload: &Workload,
) -> Option<(u64, &'static str)> {
    let dearest = lines(repository, workload).max_by_key(|line| line.cpu)?;
    Some((dearest.cpu * 10, dearest.name))
}
