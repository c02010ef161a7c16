#!/usr/bin/env bash
# Run every test tier, then hold the coverage budget. Arguments go to pytest; with any, the budget is left out,
# because a chosen part cannot reach it.
#
# The tiers without sockets run on every core. Integration comes afterwards, two files at a time: it mostly waits, and
# keeps real time. The browser comes last, two files at a time, with a server, a browser and an event loop for each.
set -euo pipefail
cd "$(dirname "$0")/.."

pytest() { .venv/bin/python -m pytest "$@"; }
measured() { .venv/bin/python -m coverage run -m pytest "$@"; }
list_tiers() { for tier in "$@"; do if [ -d "tests/$tier" ]; then printf 'tests/%s\n' "$tier"; fi; done; }

# pytest's 5 means that no test was chosen, which is fine for a part.
accept_none() { "$@" || { local status=$?; [ $status = 5 ] || exit $status; }; }

mapfile -t pure < <(list_tiers unit conformance scenarios docs)
mapfile -t real < <(list_tiers integration)
mapfile -t seen < <(list_tiers browser)

if [ $# -gt 0 ]; then
    accept_none pytest "${pure[@]}" "${real[@]}" "$@"
    if [ ${#seen[@]} -gt 0 ]; then accept_none pytest "${seen[@]}" "$@"; fi
    exit 0
fi

# Every process of a test leaves a file there; they are put together once, when all tiers are done.
rm -rf build/coverage coverage.json
mkdir -p build/coverage
export COVERAGE_FILE="$PWD/build/coverage/measured"
measured "${pure[@]}" -n auto --dist worksteal
if [ ${#real[@]} -gt 0 ]; then measured "${real[@]}" -n 2 --dist loadfile --no-loadscope-reorder; fi
if [ ${#seen[@]} -gt 0 ]; then
    measured "${seen[@]}" -n 2 --dist loadfile
    echo "-- screenshots of the studio: build/screenshots"
fi
.venv/bin/python tools/gather_coverage.py
.venv/bin/python tools/coverage_budget.py
