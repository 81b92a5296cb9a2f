//! What `dunnage run` promises, on real processes: as PID 1 of a PID namespace where root can make one, and as an
//! ordinary process below a shell.

mod edges;
mod ends;
mod init;
mod shutdown;
mod signals;
mod support;
mod terminal;
