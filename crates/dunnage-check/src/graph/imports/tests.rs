use super::{closure, packages, resolve};
use crate::repository::Repository;
use crate::source::FileId;

fn repository(files: &[(&str, &str)]) -> Repository {
    let texts = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Repository::parse(texts.collect())
}

fn paths(repository: &Repository, files: &[FileId]) -> Vec<String> {
    files
        .iter()
        .map(|id| repository.file(*id).source.path.clone())
        .collect()
}

const SHOP: &[(&str, &str)] = &[
    ("api/shop/__init__.py", ""),
    (
        "api/shop/wsgi.py",
        "from .views import index\nfrom shop import db\nimport numpy as np\n",
    ),
    (
        "api/shop/views.py",
        "from ..other import x\nfrom .models.order import Order\nimport shop.util\n",
    ),
    (
        "api/shop/models/__init__.py",
        "import sklearn.linear_model\n",
    ),
    (
        "api/shop/models/order.py",
        "from celery import Celery\nimport os, json\n",
    ),
    ("api/shop/db.py", "def connect():\n    import psycopg2\n"),
    ("api/shop/util.py", "import shop.wsgi\n"),
    ("api/shop/unused.py", "import torch\n"),
    ("api/shop/celery.py", ""),
];

#[test]
fn an_application_is_its_module_and_all_that_it_imports() {
    let repository = repository(SHOP);
    let found = resolve(&repository, "shop.wsgi:app", &["api"]);
    let found = paths(&repository, &found);
    assert_eq!(found[0], "api/shop/wsgi.py");
    let mut rest = found[1..].to_vec();
    rest.sort();
    let expected = [
        "api/shop/__init__.py",
        "api/shop/db.py",
        "api/shop/models/__init__.py",
        "api/shop/models/order.py",
        "api/shop/util.py",
        "api/shop/views.py",
    ];
    assert_eq!(rest, expected);
}

#[test]
fn packages_have_the_names_under_which_they_are_installed() {
    let repository = repository(SHOP);
    let modules = resolve(&repository, "shop.wsgi:app", &["api"]);
    let found: Vec<String> = packages(&repository, &modules).into_keys().collect();
    assert_eq!(found, ["celery", "numpy", "psycopg2", "scikit-learn"]);
}

#[test]
fn a_script_finds_what_is_beside_it() {
    let repository = repository(&[
        ("jobs/run.py", "import helper\n"),
        ("jobs/helper.py", "from __future__ import annotations\n"),
    ]);
    let file = repository.at("jobs/run.py").unwrap();
    let expected = ["jobs/run.py", "jobs/helper.py"];
    assert_eq!(
        paths(&repository, &closure(&repository, file, &[])),
        expected
    );
    assert_eq!(
        paths(&repository, &resolve(&repository, "run.py", &["jobs"])),
        expected
    );
}

#[test]
fn a_package_runs_its_main_and_src_is_a_root() {
    let repository = repository(&[
        ("src/shop/__init__.py", ""),
        ("src/shop/__main__.py", "from shop.app import main\n"),
        ("src/shop/app.py", ""),
    ]);
    let found = resolve(&repository, "shop", &[]);
    let expected = [
        "src/shop/__init__.py",
        "src/shop/__main__.py",
        "src/shop/app.py",
    ];
    assert_eq!(paths(&repository, &found), expected);
    assert!(resolve(&repository, "flask", &[]).is_empty());
    assert!(resolve(&repository, "", &[]).is_empty());
}

#[test]
fn django_names_its_modules_by_strings() {
    let repository = repository(&[
        (
            "config/wsgi.py",
            "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n",
        ),
        (
            "config/settings.py",
            "INSTALLED_APPS = ['django.contrib.admin', 'shop.apps.ShopConfig']\nROOT_URLCONF = 'config.urls'\n",
        ),
        (
            "config/urls.py",
            "from django.urls import include, path\nurlpatterns = [path('', include('cart.urls'))]\n",
        ),
        ("shop/views.py", ""),
        ("cart/urls.py", ""),
    ]);
    let mut found = paths(&repository, &resolve(&repository, "config.wsgi", &[]));
    found.sort();
    let expected = [
        "cart/urls.py",
        "config/settings.py",
        "config/urls.py",
        "config/wsgi.py",
        "shop/views.py",
    ];
    assert_eq!(found, expected);
}
