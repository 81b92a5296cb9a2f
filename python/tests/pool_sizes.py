"""Says how large each library's pool is, as one JSON object; with the word `limit`, after dunnage.limit_threads()."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def openblas(package: str) -> int:
    import_module("scipy.linalg" if package == "scipy" else package)
    for library in import_module("threadpoolctl").threadpool_info():
        if library["internal_api"] == "openblas" and f"/{package}.libs/" in library["filepath"]:
            return int(library["num_threads"])
    raise AssertionError(f"{package} has no OpenBLAS")


def pandas() -> int:
    assert import_module("pandas.core.computation.expressions").USE_NUMEXPR
    return int(import_module("numexpr").get_num_threads())


def duckdb() -> int:
    return int(import_module("duckdb").sql("SELECT current_setting('threads')").fetchall()[0][0])


def start_numba() -> int:
    numba: Any = import_module("numba")
    return int(numba.get_num_threads())  # starts the pool


def scikit_learn() -> int:
    import_module("sklearn.ensemble")
    return int(import_module("sklearn.utils._openmp_helpers")._openmp_effective_n_threads())


rayon: list[int] = []


def tokenizers() -> int:
    if not rayon:
        package = import_module("tokenizers")
        words = package.Tokenizer(package.models.WordLevel({"a": 0}, unk_token="a"))
        before = len(os.listdir("/proc/self/task"))
        words.encode_batch(["a"] * 1000)
        rayon.append(len(os.listdir("/proc/self/task")) - before)
    return rayon[0]


SIZES: dict[str, Callable[[], int]] = {
    "numpy": lambda: openblas("numpy"),
    "scipy": lambda: openblas("scipy"),
    "pandas": pandas,
    "polars": lambda: int(import_module("polars").thread_pool_size()),
    "pyarrow": lambda: int(import_module("pyarrow").cpu_count()),
    "duckdb": duckdb,
    "numexpr": lambda: int(import_module("numexpr").get_num_threads()),
    "numba": start_numba,
    "scikit-learn": scikit_learn,
    "tokenizers": tokenizers,
    "opencv-python-headless": lambda: int(import_module("cv2").getNumThreads()),
}


def main() -> None:
    sizes = {name: size() for name, size in SIZES.items()}
    if sys.argv[1:] == ["limit"]:
        import dunnage

        limited = dunnage.limit_threads()
        after = {name: size() for name, size in SIZES.items()}
        limited.restore()
        restored = {name: size() for name, size in SIZES.items()}
        assert restored == sizes, (restored, sizes)
        sizes = after
    assert os.cpu_count() == 64
    sys.stdout.write(json.dumps(sizes))


if __name__ == "__main__":
    main()
