#!/usr/bin/env bash
# scripts/prove/prove.sh float [NAME...]  prove contracts/proofs with halmos: all, or those whose names begin so
# scripts/prove/prove.sh slither          analyse the contracts with slither
# scripts/prove/prove.sh lock             resolve and pin both programs again
# Both are under the AGPL and no part of Gavel: they are installed on their own, below build/, and only run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
die() { echo "prove: $*" >&2; exit 2; }
[ -x "$root/.venv/bin/uv" ] && [ -d "$root/contracts/node_modules" ] || die "run 'make setup' first"
forge=$(compgen -G "$root/contracts/node_modules/@foundry-rs/forge-*/bin/forge" | head -n 1) ||
  die "no forge in contracts/node_modules: run 'make setup'"
PATH="$(dirname "$forge"):$root/.venv/bin:$PATH"

# A virtual environment of its own with what a lock file names.
install() {
  venv=$root/build/$1
  cmp -s "$here/$1.lock" "$venv/installed.lock" && return
  rm -rf "$venv"
  uv venv -q --python "$root/.venv/bin/python" "$venv"
  VIRTUAL_ENV=$venv uv pip install -q --require-hashes -r "$here/$1.lock"
  cp "$here/$1.lock" "$venv/installed.lock"
}

# See contracts/proofs/foundry.toml.
project() {
  local from=$root/contracts to=$root/build/proofs
  rm -rf "$to/src" "$to/proofs"
  mkdir -p "$to/src" "$to/proofs"
  cp -r "$from"/src/{libraries,interfaces,types} "$to/src"
  cp "$from/test/portable/Bits.sol" "$to/src/libraries"
  cp "$from"/proofs/*.sol "$to/proofs"
  cp "$from/proofs/foundry.toml" "$to"
  ln -sfn "$from/node_modules" "$to/node_modules"
  ln -sfn "$from/tools" "$to/tools"
  cd "$to"
}

pin() { uv pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url \
        --custom-compile-command "scripts/prove/prove.sh lock" - -o "$here/$1.lock"; }

command=${1:-}; [ $# -eq 0 ] || shift
case "$command" in
  float)
    install halmos
    project
    forge build --quiet
    failed=0
    for name in "${@:-}"; do
      # halmos leaves unanswered questions in the folder for temporary files.
      TMPDIR=$(mktemp -d) && export TMPDIR
      "$venv/bin/halmos" --contract Float32Proofs --function "check_$name" --no-status --solver-threads 1 \
        --solver-command "$venv/bin/python $here/solver.py" --solver-timeout-assertion 300s || failed=1
      rm -rf "$TMPDIR"; unset TMPDIR
    done
    exit $failed ;;
  slither)
    install slither
    cd "$root/contracts" && exec "$venv/bin/slither" . --filter-paths "node_modules|test/" "$@" ;;
  lock)
    pin halmos <<<$'halmos\nbitwuzla'
    pin slither <<<'slither-analyzer' ;;
  *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
esac
