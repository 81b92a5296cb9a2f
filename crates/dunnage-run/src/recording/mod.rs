//! Recordings of threads, GIL and quota: whom to look at, and looking on behalf of somebody who may not.

mod find;

pub use find::Finder;
