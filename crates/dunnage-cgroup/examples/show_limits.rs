//! Shows what is enforced on this process, as [`read_limits`] and a [`Reader`] read it: JSON on standard output.

#![allow(
    clippy::print_stdout,
    reason = "an example's answer goes to standard output"
)]

use dunnage_cgroup::{Overrides, PressureKind, ReadError, Reader, Root, read_limits};
use serde::Serialize;
use serde_json::{Value, json};

fn main() {
    let root = Root::system();
    let mut reader = Reader::open(&root);
    let report = json!({
        "limits": read_limits(&root, &Overrides::default(), None),
        "cpu_limit": value(reader.cpu_limit()),
        "throttling": value(reader.throttling()),
        "memory": value(reader.memory()),
        "memory_events": value(reader.memory_events()),
        "memory_pressure": value(reader.pressure(PressureKind::Memory)),
    });
    println!("{report:#}");
}

/// The value, or why there is none.
fn value<T: Serialize>(read: Result<T, ReadError>) -> Value {
    match read {
        Ok(value) => json!(value),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
