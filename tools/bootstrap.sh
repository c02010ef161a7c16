#!/usr/bin/env bash
# Make .venv and install the pinned dependencies into it.
#
#   tools/bootstrap.sh run   what `tieline` needs to run, with the offline voice (make demo)
#   tools/bootstrap.sh dev   that, and what the tests and checks need (make test, make check)
#
# Needs a Python of 3.11 or later and a package index, nothing else. PYTHON names the interpreter to use.
# A second run does nothing unless the pins, pyproject.toml or the interpreter changed.
set -euo pipefail
cd "$(dirname "$0")/.."

kind="${1:-dev}"
venv=.venv
venv_python="$venv/bin/python"

say() { printf '\033[2m-- %s\033[0m\n' "$*" >&2; }
die() {
    printf '\nbootstrap: %s\n' "$1" >&2
    shift
    if [ $# -gt 0 ]; then printf '  %s\n' "$@" >&2; fi
    exit 1
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# The interpreter: PYTHON if given, else the first of the usual names that is new enough.
find_python() {
    local candidate
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || die "PYTHON=$PYTHON is not a Python of 3.11 or later."
        printf '%s' "$PYTHON"
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if is_new_enough "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
    die "no Python of 3.11 or later was found." \
        "Debian 12 or later, Ubuntu 24.04 or later:  apt-get install python3 python3-venv" \
        "Or name one yourself:                       make PYTHON=/path/to/python3.12 ..."
}

has_pip() { "$venv_python" -m pip --version >/dev/null 2>&1; }

# Debian ships the venv module without ensurepip, which lives in python3-venv. So try, in this order: the plain
# way; a venv without pip that another pip then fills; virtualenv, which carries its own pip.
make_venv() {
    local python=$1 wheel
    rm -rf "$venv"
    if "$python" -m venv "$venv" >/dev/null 2>&1 && has_pip; then return; fi

    rm -rf "$venv"
    if "$python" -m venv --without-pip "$venv" >/dev/null 2>&1; then
        say "this Python has no ensurepip; looking for another pip"
        "$python" -m pip --python "$venv_python" install --quiet pip >/dev/null 2>&1 || true
        if has_pip; then return; fi
        for wheel in /usr/share/python-wheels/pip-*.whl; do
            [ -e "$wheel" ] || continue
            PYTHONPATH="$wheel" "$venv_python" -m pip install --quiet pip >/dev/null 2>&1 || true
            if has_pip; then return; fi
        done
    fi

    rm -rf "$venv"
    if "$python" -m virtualenv --quiet "$venv" >/dev/null 2>&1 && has_pip; then return; fi
    rm -rf "$venv"
    if virtualenv --quiet --python "$python" "$venv" >/dev/null 2>&1 && has_pip; then return; fi

    rm -rf "$venv"
    die "could not make a virtual environment with pip in it." \
        "$python has no ensurepip, and neither a pip nor virtualenv was found to help." \
        "Debian, Ubuntu:  apt-get install python3-venv" \
        "Fedora:          dnf install python3-pip" \
        "Then run the same make command again."
}

case $kind in
    run) locks=(requirements/run.txt) ;;
    dev) locks=(requirements/run.txt requirements/dev.txt) ;;
    *) die "unknown kind of environment: $kind (run or dev)" ;;
esac

# What the environment was made from. The dev environment holds the run one, so either satisfies `run`.
fingerprint() {
    { "$venv_python" --version; cat "$@" pyproject.toml tools/bootstrap.sh; } 2>/dev/null | cksum
}
is_fresh() { [ -x "$venv_python" ] && [ -f "$1" ] && [ "$(cat "$1")" = "$(fingerprint "${@:2}")" ]; }

if is_fresh "$venv/made-for-$kind" "${locks[@]}"; then exit 0; fi
if [ "$kind" = run ] && is_fresh "$venv/made-for-dev" requirements/run.txt requirements/dev.txt; then exit 0; fi

if ! is_new_enough "$venv_python" || ! has_pip || [ ! -f "$venv/bin/activate" ]; then
    python=$(find_python)
    say "making $venv with $("$python" --version 2>&1) ($python)"
    make_venv "$python"
fi

pip() { "$venv_python" -m pip --disable-pip-version-check --no-input "$@"; }

say "installing $(cat "${locks[@]}" | grep -c '==') pinned packages (${locks[*]})"
requirements=()
for lock in "${locks[@]}"; do requirements+=(-r "$lock"); done
pip install -qq --no-deps "${requirements[@]}" ||
    die "pip could not install the pinned packages; its message is above." \
        "The package index must be reachable. Run the same make command again to go on."
pip install -qq --no-deps --no-build-isolation --editable . || die "pip could not install tieline itself."
pip check >/dev/null || { pip check >&2 || true; die "the pins do not fit together on this Python." \
    "Run tools/lock.py with it and commit what changes in requirements/."; }

fingerprint "${locks[@]}" >"$venv/made-for-$kind"
say "ready: $venv"
