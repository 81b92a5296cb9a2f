//! What a recorder saw, and what it means.
//!
//! A [`Recording`] holds bare observations: what each thread's scheduler counters gained from look to look, who had the
//! GIL, what the cgroup's CPU counters said, and the application's own marks. A [`Timeline`] is made from it: each moment
//! of each thread is given to one of the nine kinds of [`What`], the one that this project is about being *waits for a GIL
//! whose holder is throttled*. Everything that a person sees (verdict, page, exports) is a view of a timeline. Nothing here
//! reads a file, a clock or a process.

mod build;
#[doc(hidden)]
pub mod example;
mod json;
pub mod page;
mod perfetto;
pub mod recording;
pub mod summary;
pub mod timeline;
pub mod verdict;

pub use json::write_json;
pub use page::render_page;
pub use perfetto::encode_perfetto;
pub use recording::{Recording, RecordingError};
pub use summary::render_summary;
pub use timeline::{Timeline, What};
pub use verdict::Verdict;

/// Nanoseconds since the recording began.
pub type Nanos = u64;
