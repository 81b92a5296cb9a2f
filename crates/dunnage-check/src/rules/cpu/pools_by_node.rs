//! CPU001.

use crate::finding::{Confidence, Finding, Severity};
use crate::fix::Fix;
use crate::graph::imports;
use crate::graph::render::cpu_in_words;
use crate::graph::workload::Workload;
use crate::parse::Model;
use crate::parse::command::ServerKind;
use crate::parse::python::is_program;
use crate::repository::Repository;
use crate::rules::about::{
    about, mentions, planned_threads, pythons, runs_dunnage, set_env, use_dunnage,
};
use crate::rules::compute::installs_pools;
use crate::rules::manifest::first_call;
use crate::rules::{Context, Family, Persona, rule};
use crate::source::Location;
use dunnage_policy::plan::knobs::KNOBS;

rule! {
    /// ## What it finds
    /// A Python program that uses a numeric library under a CPU limit, where nothing says how many threads the library's
    /// pool may have: no `OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS` or any other variable that it obeys, in the image, the
    /// manifest or the code.
    ///
    /// - It is an error for libraries that compute in threads without being asked (PyTorch, LightGBM, faiss, numexpr) under a
    ///   limit below 4 CPUs.
    /// - It is a warning for SciPy and statsmodels.
    /// - NumPy, pandas, pyarrow and scikit-learn are found where the program imports them. It is a warning where it is also seen
    ///   to multiply matrices or to solve equations (`numpy.dot`, `numpy.linalg`, a linear or logistic regression, a
    ///   decomposition such as PCA, a Gaussian mixture or process), to read columns (`read_parquet`), or to load a model
    ///   (`pickle.load`, `joblib.load`) where a library is installed whose models compute in threads (XGBoost, LightGBM), else an
    ///   info: pandas has no pool, a forest without `n_jobs` runs in one thread, and so does a prediction for one row.
    ///
    /// `celery beat` and `celery flower` compute nothing and are left alone.
    ///
    /// A library that only stands in a list of dependencies is a guess, shown by `--persona pedantic`, as an info: the list
    /// may serve several programs. Where the program's modules are not found, but a module beside that list imports the
    /// library, it is a warning.
    ///
    /// ## Why
    /// OpenBLAS, OpenMP, numexpr and pyarrow size their pools by the CPUs that the kernel lets them run on. A CPU limit is
    /// no such mask: it is a quota of CPU time in each period of 100 ms. 64 threads on a node of 64 CPUs use a quota of one
    /// CPU up in under 2 ms, and every thread of the container, the one that answers requests too, stands still for the
    /// rest of the period.
    ///
    /// Measured with a quota of 1 CPU on 2 CPUs (kernel 6.18, cgroup v1, NumPy 2.4.6, 5 runs each): a product of two
    /// matrices of 1000 × 1000 with the default of 2 threads was throttled in 19 of 19 periods and took 1.91 s; with 1
    /// thread in 0 of 17 and took 1.69 s. A thread beside it that sleeps 1 ms woke up after 47 ms instead of 1.8 (p99).
    ///
    /// Which calls use such a pool was tried by the CPU time of each thread (2 CPUs, 2026-11-30, NumPy 2.4.6, pandas 3.1.1,
    /// scikit-learn 1.9.1, 4000 rows of 30 columns). In several threads: products of matrices, singular values,
    /// `DataFrame.dot`; of scikit-learn to fit `LogisticRegression`, `LinearRegression`, `PCA`, `TruncatedSVD`,
    /// `LinearDiscriminantAnalysis`, `KernelRidge`, `EllipticEnvelope`, `GaussianMixture`, `KMeans` and histogram gradient
    /// boosting. In one: groups, joins, `corr`, `eval` (without numexpr) and `read_csv` of pandas, forests and single trees,
    /// gradient boosting, support vectors, `Ridge`, `Lasso`, `SGDClassifier`, and one row predicted by a forest or a logistic
    /// regression. What scikit-learn starts itself (`n_jobs=-1`, the OpenMP of `KMeans` and histogram gradient boosting) keeps
    /// to the quota: with `50000 100000` in `cpu.max` joblib 1.6.0 and scikit-learn count one CPU, OpenBLAS two.
    ///
    /// ## Example
    /// ```yaml
    /// resources:
    ///   limits:
    ///     cpu: "1"        # and the program imports torch
    /// ```
    ///
    /// ## Instead
    /// ```yaml
    /// env:
    ///   - name: OMP_NUM_THREADS
    ///     value: "1"
    /// ```
    ///
    /// ## Fix
    /// Unsafe, since it chooses a number: `OMP_NUM_THREADS`, which all of these libraries obey and which every variable of
    /// their own outranks, with what `dunnage plan` would set: the limit divided by the worker processes, rounded down, at
    /// least 1. Batch work that may stall gains from rounding up.
    ///
    /// ## References
    /// - `dunnage plan --help`: the same numbers from the running container's cgroup
    /// - <https://docs.kernel.org/scheduler/sched-bwc.html>
    pub(in crate::rules) static RULE = {
        id: "CPU001",
        name: "pools-sized-by-the-node",
        title: "a numeric library sizes its thread pool by the node, under a CPU limit",
        family: Family::Cpu,
        severity: Severity::Warning,
        confidence: Confidence::High,
        persona: Persona::Regular,
        by_run: "sets OMP_NUM_THREADS from the cgroup's quota, unless you have set a variable that it would outrank",
        check: check,
    };
}

/// They compute in threads as soon as they are used.
const EAGER: &[&str] = &[
    "torch",
    "lightgbm",
    "faiss-cpu",
    "numexpr",
    "sentence-transformers",
    "statsmodels",
    "implicit",
    "umap-learn",
];

/// Of these, the one whose threads are those of the BLAS below it only.
const HALF: &str = "statsmodels";

/// They do where matrices are multiplied or columns are read.
const OTHERS: &[&str] = &["scipy", "scikit-learn", "numpy", "pandas", "pyarrow"];

/// Calls that do.
const HEAVY: &[&str] = &[
    "numpy.dot",
    "numpy.einsum",
    "numpy.linalg.",
    "numpy.matmul",
    "numpy.tensordot",
    "pandas.read_feather",
    "pandas.read_parquet",
    "pyarrow.",
    "sklearn.covariance.",
    "sklearn.decomposition.",
    "sklearn.discriminant_analysis.",
    "sklearn.gaussian_process.",
    "sklearn.kernel_ridge.",
    "sklearn.linear_model.LinearRegression",
    "sklearn.linear_model.LogisticRegression",
    "sklearn.mixture.",
];

/// Calls that bring a model, of which only what is installed tells how it computes.
const LOADS: &[&str] = &["joblib.load", "pickle.load"];

/// From here on a pool of the node's size is less out of proportion.
const SMALL_MILLICPU: u64 = 4000;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    for workload in pythons(context).filter(|workload| !runs_dunnage(workload)) {
        let Some(limit) = &workload.limits.cpu else {
            continue;
        };
        let Some((library, at)) = library(workload, EAGER).or_else(|| library(workload, OTHERS))
        else {
            continue;
        };
        if is_scheduler(workload)
            || is_sized(workload)
            || mentions(
                context.repository,
                workload,
                &["_NUM_THREADS", "set_num_threads", "threadpool_limits"],
            )
        {
            continue;
        }
        let is_imported = matches!(context.repository.file(at.file).model, Model::Python(_));
        // a dependency that the program's own modules do not import may be another program's
        if !is_imported && !workload.modules.is_empty() {
            continue;
        }
        let workers = workload
            .server()
            .and_then(|server| server.workers.as_ref())
            .map_or(1, |workers| workers.value);
        let threads = planned_threads(limit.value, workers).to_string();
        let message = format!(
            "{library} sizes its thread pool by the node's CPUs under a limit of {}; the plan is OMP_NUM_THREADS={threads}",
            cpu_in_words(limit.value)
        );
        let is_eager = EAGER.contains(&library);
        let is_error = is_eager && library != HALF && limit.value < SMALL_MILLICPU && is_imported;
        let is_light = !is_eager && library != "scipy" && !is_heavy(context, workload);
        let is_sure = is_imported && workload.unknown_environment.is_none();
        let is_likely =
            is_imported || is_eager && is_imported_beside(context.repository, library, at);
        let mut finding = Finding::new(&RULE, limit.at, message)
            .severity(match (is_error, is_likely && !is_light) {
                (true, _) => Severity::Error,
                (false, true) => Severity::Warning,
                (false, false) => Severity::Info,
            })
            .confidence(match (is_sure, is_likely) {
                (true, _) => Confidence::High,
                (false, true) => Confidence::Medium,
                (false, false) => Confidence::Low,
            })
            .because(
                at,
                format!(
                    "{library} is {}",
                    if is_imported { "imported" } else { "installed" }
                ),
            );
        if let Some(edit) = set_env(context.repository, workload, "OMP_NUM_THREADS", &threads) {
            finding = finding.fix(Fix::changing(
                format!("set OMP_NUM_THREADS to {threads}, as `dunnage plan` would"),
                vec![edit],
            ));
        }
        finding = finding.fix(use_dunnage(context.repository, workload));
        findings.push(about(finding, workload));
    }
}

/// Is the program seen to do what a pool does?
fn is_heavy(context: &Context<'_>, workload: &Workload) -> bool {
    let multiplies = first_call(context, workload, |name| {
        HEAVY.iter().any(|heavy| name.starts_with(heavy))
    });
    let loads = first_call(context, workload, |name| {
        LOADS.iter().any(|load| name.starts_with(load))
    });
    multiplies.is_some() || loads.is_some() && installs_pools(workload)
}

fn library(workload: &Workload, names: &[&'static str]) -> Option<(&'static str, Location)> {
    names
        .iter()
        .find_map(|name| Some((*name, *workload.packages.get(*name)?)))
}

/// Does a module of a program import it, below the folder of the file that asks for it to be installed?
fn is_imported_beside(repository: &Repository, library: &str, listed: Location) -> bool {
    let folder = repository.file(listed.file).source.folder();
    repository.files().any(|(id, file)| {
        let path = file.source.path.strip_prefix(folder);
        let is_below = path.is_some_and(|rest| folder.is_empty() || rest.starts_with('/'));
        is_below
            && matches!(file.model, Model::Python(_))
            && is_program(&file.source)
            && imports::packages(repository, &[id]).contains_key(library)
    })
}

/// `celery beat` and `celery flower` compute nothing.
fn is_scheduler(workload: &Workload) -> bool {
    workload.server().is_some_and(|server| {
        server.kind == ServerKind::Celery
            && server
                .unknown
                .iter()
                .chain(server.subcommand.as_ref().map(|word| &word.value))
                .any(|word| matches!(word.as_str(), "beat" | "flower"))
    })
}

/// Is any of the variables set that a pool obeys?
fn is_sized(workload: &Workload) -> bool {
    KNOBS
        .iter()
        .flat_map(|knob| knob.ranking)
        .any(|name| workload.environment.contains_key(*name))
}
