#!/usr/bin/env bash
# Programs of npm that some tests play against, at the versions of tests/npm/package-lock.json: Prism, and Twilio's
# OpenAPI description. Their install scripts are not run. In CI (CI=true) a failure is one; elsewhere tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=tests/npm/package-lock.json home=.venv/npm
if [ -e "$home/installed.json" ] && cmp -s "$wanted" "$home/installed.json"; then exit 0; fi

if command -v npm >/dev/null 2>&1; then
    printf -- '-- installing npm packages (%s)\n' "$wanted" >&2
    mkdir -p "$home"
    cp tests/npm/package.json "$wanted" "$home/"
    if (cd "$home" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null); then
        cp "$wanted" "$home/installed.json"
        exit 0
    fi
fi

if [ "${CI:-}" = true ]; then
    printf 'CI must skip nothing, but the npm packages of tests/npm are missing\n' >&2
    exit 1
fi
printf -- '-- skipped below: tests that play against Prism (npm and its registry are needed)\n' >&2
