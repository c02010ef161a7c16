#!/usr/bin/env bash
# Programs that are not ours and that some tests play against: SIPp, baresip, Kamailio, openssl, chromium, node.
# Installed when this is Debian (or a child of it) and we are root; otherwise says what will be skipped.
# In CI (CI=true) a missing program is a failure.
set -euo pipefail

declare -A package_of=([sipp]=sip-tester [baresip]=baresip [kamailio]='kamailio kamailio-tls-modules'
    [openssl]=openssl [chromium]='chromium fonts-dejavu-core' [node]=nodejs [npm]=npm)

list_missing() {
    local program
    for program in "${!package_of[@]}"; do
        command -v "$program" >/dev/null 2>&1 || printf '%s\n' ${package_of[$program]}
    done
}

mapfile -t missing < <(list_missing)
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    printf -- '-- installing Debian packages: %s\n' "${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >/dev/null &&
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        printf -- '-- apt-get could not install them; its message is above\n' >&2
    hash -r
    mapfile -t missing < <(list_missing)
    if [ ${#missing[@]} -eq 0 ]; then exit 0; fi
fi

if [ "${CI:-}" = true ]; then
    printf 'CI must skip nothing, but these are missing: %s\n' "${missing[*]}" >&2
    exit 1
fi
cat >&2 <<TEXT
-- skipped below: tests that play against $(IFS=,; printf '%s' "${missing[*]}")
   to run them too:  sudo apt-get install ${missing[*]}
TEXT
