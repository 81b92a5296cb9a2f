//! What the kernel counts, read when a page is rendered.
//!
//! The thread that renders has descriptors of its own, so that a scrape costs the loop nothing, and works where memory is
//! not watched.

use dunnage_cgroup::{
    Memory, MemoryBound, MemoryEvents, Overrides, Pressure, PressureKind, Reader, Root, Throttling,
};

/// Values of the cgroup; `None` where the kernel does not tell.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// CPUs by quota or by the user's word.
    pub cpu_limit: Option<f64>,
    /// What bounds memory.
    pub bound: Option<MemoryBound>,
    /// Memory by kind, where it is bounded: an ancestor's limit counts what its other children use too.
    pub memory: Option<Memory>,
    /// How often memory limits were met.
    pub memory_events: Option<MemoryEvents>,
    /// CFS bandwidth control.
    pub throttling: Option<Throttling>,
    /// Pressure stall information of cpu, memory and io.
    pub pressure: [(&'static str, Option<Pressure>); 3],
}

/// Reads them again and again.
pub struct Readers {
    overrides: Overrides,
    /// Opened when the first page is rendered: who only asks for health needs none of it.
    reader: Option<Reader>,
}

impl Readers {
    /// Opens nothing yet.
    pub fn new(overrides: Overrides) -> Self {
        Self {
            overrides,
            reader: None,
        }
    }

    /// Reads everything.
    pub fn read(&mut self) -> Readings {
        let reader = self
            .reader
            .get_or_insert_with(|| Reader::open(&Root::system()));
        let stated = self.overrides.memory_bytes;
        let bound = reader.memory_bound(stated).ok().flatten();
        let memory = match bound {
            Some(_) => reader.bound_memory().ok(),
            None => reader.memory().ok(),
        };
        let cpu_limit = reader.cpu_limit().ok().flatten();
        Readings {
            cpu_limit: self.overrides.cpus.or(cpu_limit),
            bound,
            memory,
            memory_events: reader.memory_events().ok(),
            throttling: reader.throttling().ok(),
            pressure: [
                ("cpu", reader.pressure(PressureKind::Cpu).ok()),
                ("memory", reader.pressure(PressureKind::Memory).ok()),
                ("io", reader.pressure(PressureKind::Io).ok()),
            ],
        }
    }
}
