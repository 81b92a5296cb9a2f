//! Who decides how many threads: the variables that libraries obey, and in which order.
//!
//! A new library is one line of [`KNOBS`], or one of [`UNTOUCHED`] where it needs no variable or can have none. One
//! variable, `OMP_NUM_THREADS`, governs nearly all of them. That is on purpose: every library-specific variable outranks
//! it, so whatever a user, a framework or joblib sets for one library still counts. (joblib gives its worker processes
//! `OPENBLAS_NUM_THREADS` and others as `cpu_count / n_jobs`, but only those that are not set already: had we set them,
//! each worker would get the whole quota.)

/// A library that is governed by a variable.
#[derive(Debug, Clone, Copy)]
pub struct Knob {
    /// The variable that we set.
    pub variable: &'static str,
    /// Who obeys it.
    pub library: &'static str,
    /// Every variable that this library takes a number of threads from, `variable` included, the one that wins first.
    /// A cap (`OMP_THREAD_LIMIT`) stands behind the number that it bounds.
    pub ranking: &'static [&'static str],
    /// The most threads that the library takes without being asked, and the variable of its own that says so: above it
    /// that variable is set too.
    pub most: Option<(&'static str, u32)>,
}

impl Knob {
    /// The variables that would no longer count if `variable` were set.
    pub fn outranked(&self) -> impl Iterator<Item = &'static str> {
        self.ranking
            .iter()
            .copied()
            .skip_while(|name| *name != self.variable)
            .skip(1)
    }
}

/// Shorthand for a line of the table.
const fn knob(
    variable: &'static str,
    library: &'static str,
    ranking: &'static [&'static str],
) -> Knob {
    Knob {
        variable,
        library,
        ranking,
        most: None,
    }
}

impl Knob {
    const fn at_most(mut self, variable: &'static str, threads: u32) -> Self {
        self.most = Some((variable, threads));
        self
    }
}

/// The table. The rankings of OpenBLAS 0.3.31, numexpr 2.14, pyarrow 26, scikit-learn 1.9 and libgomp were tried out,
/// pair by pair; those of MKL, PyTorch and libvips are from their documentation.
#[rustfmt::skip]
pub const KNOBS: &[Knob] = &[
    knob("OMP_NUM_THREADS", "OpenMP (LightGBM, faiss)", &["OMP_NUM_THREADS", "OMP_NUM_THREADS_ALL", "OMP_THREAD_LIMIT"]),
    knob("OMP_NUM_THREADS", "OpenBLAS (NumPy, SciPy)", &["OPENBLAS_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"]),
    // a build that uses OpenMP ignores the first and the third
    knob("OMP_NUM_THREADS", "OpenBLAS with OpenMP", &["OMP_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS", "OMP_THREAD_LIMIT"]),
    knob("OMP_NUM_THREADS", "MKL", &["MKL_DOMAIN_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT"]),
    knob("OMP_NUM_THREADS", "PyTorch", &["MKL_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT"]),
    knob("OMP_NUM_THREADS", "scikit-learn", &["OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT", "OMP_THREAD_LIMIT"]),
    // it takes 16 by itself, and falls to 1 with an error where OMP_NUM_THREADS is above NUMEXPR_MAX_THREADS (64)
    knob("OMP_NUM_THREADS", "numexpr (pandas)", &["NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS", "NUMEXPR_MAX_THREADS"])
        .at_most("NUMEXPR_NUM_THREADS", 16),
    knob("OMP_NUM_THREADS", "pyarrow", &["OMP_NUM_THREADS", "OMP_THREAD_LIMIT"]),
    knob("VIPS_CONCURRENCY", "libvips", &["VIPS_CONCURRENCY", "IM_CONCURRENCY"]),
];

/// What gets no variable of ours, and why.
#[rustfmt::skip]
pub const UNTOUCHED: &[(&str, &str)] = &[
    // they read the quota themselves
    ("polars", "honours the quota itself (v1 and v2); POLARS_MAX_THREADS would size its I/O pools too"),
    ("duckdb", "honours the quota itself, rounding up"),
    ("joblib, loky", "honours the quota itself, rounding up; LOKY_MAX_CPU_COUNT would change the number of processes"),
    ("opencv", "honours the quota itself, rounding down"),
    ("tokenizers, other rayon pools", "honours the quota itself, by Rust's available_parallelism"),
    ("tokio extensions", "honours the quota itself, by Rust's available_parallelism"),
    ("xgboost", "honours the quota itself, rounding down; it obeys OMP_NUM_THREADS as well, which gives the same number"),
    ("catboost", "seems to honour the quota itself; it has an argument, no variable"),
    ("ray", "honours the quota itself; the number of CPUs of a cluster's node is its user's decision"),
    ("dask", "honours the quota itself on v2; CPU_COUNT would size clusters"),
    ("Java (Spark)", "honours the quota itself"),
    ("Go", "honours the quota itself since 1.25; GOMAXPROCS would switch its updates off"),
    // a variable exists, and setting it could harm
    ("numba", "NUMBA_NUM_THREADS is a ceiling: numba.set_num_threads(n) above it raises ValueError in an application that works without it"),
    ("OMP_WAIT_POLICY, GOMP_SPINCOUNT", "no evidence that a pool which fits into the quota gains from either setting"),
    ("OMP_DYNAMIC, MKL_DYNAMIC", "they follow the load of the node, not the quota"),
    ("BLIS", "one thread unless asked; it takes OMP_NUM_THREADS for asking, which stays within the quota"),
    ("jax, XLA", "NPROC is undocumented"),
    ("blosc2", "BLOSC_NTHREADS does not change its number of threads"),
    ("TOKENIZERS_PARALLELISM", "false switches the pool off rather than sizing it"),
    // pools that wait, or processes: their number is not a matter of CPUs
    ("pyarrow I/O", "ARROW_IO_THREADS sizes a pool that waits for files and networks; it is never shrunk"),
    ("ThreadPoolExecutor, asyncio, ThreadPool", "pools that wait; the agent keeps them at the size that they have without it"),
    ("grpcio", "pools that wait; no variable"),
    ("gunicorn, uvicorn, granian, celery", "the number of worker processes is the user's decision"),
    ("ProcessPoolExecutor, multiprocessing.Pool", "no variable; they follow os.cpu_count, which the agent tells"),
    ("pytest-xdist", "the number of worker processes is the user's decision"),
    // no variable
    ("onnxruntime", "no variable; SessionOptions.intra_op_num_threads"),
    ("tensorflow", "no variable; tf.config.threading.set_intra_op_parallelism_threads"),
    ("oneTBB", "no variable; tbb::global_control"),
    ("os.cpu_count", "told by the agent, since PYTHON_CPU_COUNT (3.13) would shrink the default executor too, and beats the affinity"),
    ("psutil", "no variable"),
    ("scipy.fft, zstd, h5py, BLAS-free NumPy", "one thread unless asked"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ranks_its_own_variable_once() {
        for knob in KNOBS {
            let places = knob
                .ranking
                .iter()
                .filter(|name| **name == knob.variable)
                .count();
            assert_eq!(places, 1, "{}", knob.library);
        }
    }

    #[test]
    fn what_is_said_to_be_untouched_is_touched_by_no_line() {
        for (name, why) in UNTOUCHED {
            assert!(!why.is_empty(), "{name}");
            for knob in KNOBS {
                assert!(
                    !name
                        .split(", ")
                        .any(|part| part == knob.library || part == knob.variable),
                    "{name}"
                );
            }
        }
    }
}
