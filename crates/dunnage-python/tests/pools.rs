//! The size of a pool that is read from outside is the one that the library itself tells.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test stops at what it did not expect, and says what it skipped"
)]

use dunnage_python::pools::{Kind, read_libraries};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const PROGRAM: &str = "
import ctypes, sys
try:
    gomp = ctypes.CDLL('libgomp.so.1')
except OSError:
    print('absent', flush=True)
else:
    print(gomp.omp_get_max_threads(), flush=True)
sys.stdin.read()
";

#[test]
fn what_openmp_tells_of_itself_is_what_stands_in_its_memory() {
    for asked in ["1", "3", "17"] {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM])
            .env("OMP_NUM_THREADS", asked)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut told)
            .unwrap();
        let libraries = read_libraries(child.id().cast_signed());
        child.kill().unwrap();
        child.wait().unwrap();
        if told.trim() == "absent" {
            println!("skipped: this machine has no libgomp");
            return;
        }
        let (libraries, is_musl) = libraries.unwrap();
        let openmp = libraries
            .iter()
            .find(|library| library.name == "OpenMP (libgomp)")
            .unwrap();
        assert_eq!(told.trim(), asked);
        assert_eq!((openmp.kind, is_musl), (Kind::Pool, false));
        if cfg!(target_arch = "x86_64") {
            assert_eq!(openmp.threads, Ok(asked.parse().unwrap()));
        } else {
            assert!(openmp.threads.is_err());
        }
    }
}

#[test]
fn a_process_that_is_gone_is_an_error() {
    assert!(read_libraries(2_147_483_646).is_err());
}
