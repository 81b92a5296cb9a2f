//! Stub, to be filled.
