use super::{Requirements, normalise, parse};
use crate::source::{FileId, Source, Stated};
use proptest::prelude::*;

fn read(path: &str, text: &str) -> Requirements {
    let source = Source {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    parse(&source, FileId(0)).unwrap()
}

fn names(stated: &[Stated<String>]) -> Vec<&str> {
    stated.iter().map(|name| name.value.as_str()).collect()
}

#[test]
fn names_are_compared_in_one_form() {
    assert_eq!(normalise("Scikit_Learn"), "scikit-learn");
    assert_eq!(normalise("zope.interface"), "zope-interface");
    assert_eq!(normalise("a--b__c"), "a-b-c");
}

#[test]
fn a_requirements_file_gives_its_names_and_its_includes() {
    let text = "\u{feff}# comment\nFlask==3.0  # web\nuvicorn[standard]>=0.30 ; python_version >= \"3.9\"\n\
                -r base.txt\n--requirement=../common.txt\n-c constraints.txt\n--index-url https://x/simple\n\
                numpy==2.0 \\\n    --hash=sha256:aaaa \\\n    --hash=sha256:bbbb\npywin32; sys_platform == 'win32'\n\
                git+https://github.com/a/b.git@main#egg=My_Pkg\n-e git+ssh://git@x/y.git#egg=other\ntorch @ https://x/t.whl\n\
                https://x/wheels/tensorflow-2.1-cp311-none-linux.whl\n./vendored\n-e .\npandas\n";
    let found = read("services/api/requirements.txt", text);
    let expected = [
        "flask",
        "uvicorn",
        "numpy",
        "my-pkg",
        "other",
        "torch",
        "tensorflow",
        "pandas",
    ];
    assert_eq!(names(&found.packages), expected);
    assert_eq!(found.includes, ["base.txt", "../common.txt"]);
    for (package, written) in found
        .packages
        .iter()
        .zip(["Flask", "uvicorn", "numpy", "My_Pkg"])
    {
        assert_eq!(&text[package.at.span.range()], written);
    }
}

#[test]
fn a_pyproject_gives_what_is_always_installed_apart_from_what_is_asked_for() {
    let text = r#"
[project]
requires-python = ">=3.11"
dependencies = ["FastAPI>=0.100", 'numpy ; sys_platform != "win32"', "colorama; sys_platform == 'win32'"]
[project.optional-dependencies]
gpu = ["torch"]
[dependency-groups]
dev = ["pytest", {include-group = "lint"}]
[tool.uv]
dev-dependencies = ["ruff"]
"#;
    let found = read("pyproject.toml", text);
    assert_eq!(names(&found.packages), ["fastapi", "numpy"]);
    assert_eq!(names(&found.optional), ["torch", "pytest", "ruff"]);
    assert_eq!(found.requires_python.unwrap().value, ">=3.11");
    assert_eq!(&text[found.packages[0].at.span.range()], "FastAPI");
    assert_eq!(&text[found.packages[1].at.span.range()], "numpy");
}

#[test]
fn poetry_and_pipfile_name_packages_by_keys() {
    let text = "[tool.poetry.dependencies]\npython = \"^3.10\"\nDjango = \"^5\"\nredis = {version = \"5\", optional = true}\n\
                [tool.poetry.group.dev.dependencies]\nblack = \"*\"\n";
    let found = read("pyproject.toml", text);
    assert_eq!(names(&found.packages), ["django"]);
    assert_eq!(names(&found.optional), ["redis", "black"]);
    assert_eq!(found.requires_python.unwrap().value, "^3.10");
    let text = "[packages]\n\"zope.interface\" = \"*\"\n[dev-packages]\npytest = \"*\"\n[requires]\npython_version = \"3.12\"\n";
    let found = read("Pipfile", text);
    assert_eq!(names(&found.packages), ["zope-interface"]);
    assert_eq!(names(&found.optional), ["pytest"]);
}

#[test]
fn setup_cfg_lists_stand_on_indented_lines() {
    let text = "[metadata]\nname = x\n[options]\npython_requires = >=3.9\ninstall_requires =\n    requests>=2\n    # no\n    attrs\n\
                zip_safe = no\n[options.extras_require]\nall =\n    scipy\n";
    let found = read("setup.cfg", text);
    assert_eq!(names(&found.packages), ["requests", "attrs"]);
    assert_eq!(names(&found.optional), ["scipy"]);
    assert_eq!(found.requires_python.unwrap().value, ">=3.9");
    assert_eq!(&text[found.packages[0].at.span.range()], "requests");
}

#[test]
fn toml_that_does_not_parse_is_a_problem_with_a_place() {
    let source = Source {
        path: "pyproject.toml".to_owned(),
        text: "[project]\nname = \n".to_owned(),
    };
    let problem = parse(&source, FileId(0)).unwrap_err();
    assert!(problem.span.start >= 10, "{problem:?}");
}

proptest! {
    #[test]
    fn any_text_is_read_or_is_a_problem(
        path in prop::sample::select(vec!["requirements.txt", "pyproject.toml", "setup.cfg", "Pipfile", "environment.yml"]),
        text in prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat()),
    ) {
        let source = Source { path: path.to_owned(), text };
        if let Ok(found) = parse(&source, FileId(0)) {
            for package in found.packages.iter().chain(&found.optional) {
                prop_assert!(source.text.get(package.at.span.range()).is_some());
            }
        }
    }

    #[test]
    fn any_line_is_read(text in "\\PC*") {
        read("requirements.txt", &text);
        read("setup.cfg", &format!("[options]\ninstall_requires =\n {text}"));
    }
}

const PIECES: &[&str] = &[
    "a",
    "é",
    "numpy",
    "==1",
    "\n",
    "\n    ",
    "-r x",
    "-e ",
    "#",
    " #",
    "#egg=",
    "egg=b",
    "; ",
    "extra == 'x'",
    "\\\n",
    "[options]\n",
    "install_requires =",
    "[project]\n",
    "dependencies = [",
    "\"numpy\"",
    "'''x'''",
    "]",
    ",",
    "[tool.poetry.dependencies]\n",
    "x = 1\n",
    "[packages]\n",
    "dependencies:\n",
    "- numpy\n",
    "- pip:\n  - é\n",
    "https://x/a-1.whl",
    " @ ",
    "\u{feff}",
    "\r\n",
    "::",
    "-",
    ".",
    "/",
];
