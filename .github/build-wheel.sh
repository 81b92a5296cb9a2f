#!/bin/sh
# One native wheel, inside of a manylinux or musllinux image, into ./dist: `sh .github/build-wheel.sh`. The release workflow
# starts it; a person with Docker can too: docker run --rm -v "$PWD:/io" -w /io IMAGE sh .github/build-wheel.sh
set -eu

python=/opt/python/cp310-cp310/bin/python
curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
    sh -s -- -y --profile minimal --default-toolchain 1.95.0
. "$HOME/.cargo/env"
# the program is static, and manylinux brings no static C library; musl's Rust target has its own
if command -v dnf >/dev/null; then
    dnf install -y --enablerepo=powertools glibc-static || dnf install -y --enablerepo=crb glibc-static
fi
git config --global --add safe.directory "$PWD" || true
rm -rf target/wheelhouse
"$python" -m pip wheel --no-deps --wheel-dir target/wheelhouse .
# names the oldest C library that it runs with; the program itself needs none
auditwheel repair --wheel-dir dist target/wheelhouse/*.whl
