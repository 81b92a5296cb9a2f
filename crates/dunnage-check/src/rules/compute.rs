//! Does a program compute, or does it mostly wait for databases and other services? What it imports tells; what is only
//! installed does where the program itself is not among the files, and the package serves for nothing else. And how many of
//! its threads may want a CPU at the same moment?

use crate::graph::workload::Workload;
use crate::parse::Model;
use crate::parse::command::ServerKind;
use crate::repository::Repository;
use crate::rules::about::is_imported;
use crate::rules::img::serves_for_development;
use crate::source::Location;

/// Who imports them has numbers, images or documents to work on. By the names under which they are installed.
const COMPUTING: &[&str] = &[
    "catboost",
    // an index of documents for a model that runs elsewhere, as often as not
    "faiss-cpu",
    "jax",
    "keras",
    "lightgbm",
    "matplotlib",
    "numexpr",
    "numpy",
    "opencv-contrib-python",
    "pandas",
    "pdf2image",
    "pillow",
    "polars",
    "prophet",
    "pyarrow",
    "pymupdf",
    "pytesseract",
    "reportlab",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "seaborn",
    "statsmodels",
    "weasyprint",
    "xgboost",
];

/// Large and good for one thing: who installs them runs a model or reads documents.
const MODELS: &[&str] = &[
    "dlib",
    "docling",
    "easyocr",
    "face-recognition",
    "onnxruntime",
    "opencv-python",
    "opencv-python-headless",
    "sentence-transformers",
    "spacy",
    "tensorflow",
    "torch",
    "transformers",
    "ultralytics",
];

/// These compute in threads of their own, one for each CPU of the node as a rule.
const POOLS: &[&str] = &[
    "catboost",
    "docling",
    "easyocr",
    "faiss-cpu",
    "jax",
    "keras",
    "lightgbm",
    "numexpr",
    "onnxruntime",
    "opencv-contrib-python",
    "opencv-python",
    "opencv-python-headless",
    "polars",
    "sentence-transformers",
    "tensorflow",
    "torch",
    "transformers",
    "ultralytics",
    "xgboost",
];

/// Workers of MLflow's and Airflow's servers, and threads of waitress, where nobody sets another number.
const DEFAULT_OF_SEVERAL: u64 = 4;

/// Threads of a server that starts one for each request: no fewer come at once when it is busy.
const ONE_FOR_EACH_REQUEST: u64 = 2;

/// Does the program compute: by what its modules import, or by what is installed where none of them is among the files; or is it
/// one that is known to?
pub(super) fn computes(repository: &Repository, workload: &Workload) -> bool {
    let is_unseen = workload.modules.is_empty();
    has_several_workers(workload)
        || first(workload, &[MODELS, COMPUTING], |name| {
            is_unseen || is_imported(repository, workload, name)
        })
        .is_some()
}

/// MLflow's or Airflow's own server, which many processes of much code are, whatever the manifest says.
fn has_several_workers(workload: &Workload) -> bool {
    let is_started = workload
        .server()
        .is_some_and(|server| matches!(server.kind, ServerKind::Airflow | ServerKind::Mlflow));
    let image = workload.image.as_ref();
    let is_image = image.is_some_and(|image| {
        let last = image.value.rsplit('/').next().unwrap_or_default();
        matches!(last.split([':', '@']).next(), Some("airflow" | "mlflow"))
    });
    is_started || (is_image && workload.steps.is_empty())
}

/// Does it compute in threads that a library starts?
pub(super) fn computes_in_threads(repository: &Repository, workload: &Workload) -> bool {
    let mut pools = POOLS.iter();
    pools.any(|name| is_imported(repository, workload, name))
}

/// Is a library installed that computes in threads, by whatever it is that uses it?
pub(super) fn installs_pools(workload: &Workload) -> bool {
    POOLS
        .iter()
        .any(|name| workload.packages.contains_key(*name))
}

/// How many processes of the server share the limit; 1 where nothing tells.
pub(super) fn processes_at_once(workload: &Workload) -> u64 {
    let usual = if has_several_workers(workload) {
        DEFAULT_OF_SEVERAL
    } else {
        1
    };
    let server = workload.server();
    let written = server.and_then(|server| server.workers.as_ref());
    written.map_or(usual, |workers| u64::from(workers.value))
}

/// How many threads of Python may want a CPU at the same moment: processes × threads of the server; 1 where nothing tells.
pub(super) fn threads_at_once(repository: &Repository, workload: &Workload) -> u64 {
    use ServerKind as Kind;
    let processes = processes_at_once(workload);
    let Some(server) = workload.server() else {
        return processes;
    };
    let threads = match server.kind {
        Kind::Waitress => DEFAULT_OF_SEVERAL,
        Kind::Flask | Kind::Django | Kind::Streamlit => ONE_FOR_EACH_REQUEST,
        Kind::Python if serves_for_development(repository, workload) => ONE_FOR_EACH_REQUEST,
        _ => 1,
    };
    let written = server.threads.as_ref();
    processes * written.map_or(threads, |count| u64::from(count.value))
}

/// The package that shows that a program computes, and where it is imported.
pub(super) fn imports(
    repository: &Repository,
    workload: &Workload,
) -> Option<(&'static str, Location)> {
    first(workload, &[MODELS, COMPUTING], |name| {
        is_imported(repository, workload, name)
    })
}

/// The same where only what is installed can tell, since the program is not seen.
pub(super) fn installs(workload: &Workload) -> Option<(&'static str, Location)> {
    first(workload, &[MODELS], |_| true)
}

/// The same where not even the image is known: does any list of dependencies of the repository name such a package?
pub(super) fn lists(repository: &Repository) -> Option<(&'static str, Location)> {
    let packages = repository.files().flat_map(|(_, file)| match &file.model {
        Model::Requirements(requirements) => requirements.packages.as_slice(),
        _ => &[],
    });
    let mut known = packages.filter_map(|package| {
        let name = MODELS.iter().find(|name| **name == package.value)?;
        Some((*name, package.at))
    });
    known.next()
}

fn first(
    workload: &Workload,
    lists: &[&[&'static str]],
    is_one: impl Fn(&str) -> bool,
) -> Option<(&'static str, Location)> {
    let mut names = lists.iter().flat_map(|names| names.iter());
    names.find_map(|name| {
        let at = *workload.packages.get(*name)?;
        is_one(name).then_some((*name, at))
    })
}
