//! Does a program compute, or does it mostly wait for databases and other services? What it imports tells; what is only
//! installed does where the program itself is not among the files, and the package serves for nothing else.

use crate::graph::workload::Workload;
use crate::parse::Model;
use crate::repository::Repository;
use crate::rules::about::is_imported;
use crate::source::Location;

/// Who imports them has numbers, images or documents to work on. By the names under which they are installed.
const COMPUTING: &[&str] = &[
    "catboost",
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
    "faiss-cpu",
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
