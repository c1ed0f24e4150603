#!/bin/bash
# Makes .venv with exactly what requirements.lock names, and installs what tests need from Debian.
#
#   setup.sh          Python, and getfattr for looking into volumes: enough for the bot, the demo and `make check`
#   setup.sh tests    and zstd, acl, Chromium and the databases, so that no test has to be skipped
#   setup.sh bench    and what people use instead, to be measured beside
#
# Safe to call again: what is there is left alone. Exit: 0 done, 1 failed.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup.sh: %s\n' "$*" >&2; }

python_is_usable() { python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

make_venv() {
    local wanted stamp=.venv/.made-from
    wanted=$(cat requirements.lock pyproject.toml | sha256sum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ] || return 0
    python_is_usable || deploy/packages.sh python3 python3-venv || true
    python_is_usable || { say "Python 3.11 or newer with its venv module is needed: install python3 and python3-venv."; return 1; }
    [ -x .venv/bin/python ] || python3 -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
    printf '%s\n' "$wanted" >"$stamp"
}

install_for_walks() {
    command -v getfattr >/dev/null || deploy/packages.sh attr || say "backups need the Debian package attr: install it."
}

install_for_tests() {
    local missing=
    command -v zstd >/dev/null || missing="$missing zstd"
    command -v rsync >/dev/null || missing="$missing rsync"   # docs/operations.md
    command -v busybox >/dev/null || missing="$missing busybox-static"
    command -v setfacl >/dev/null || missing="$missing acl"
    command -v chromium >/dev/null || missing="$missing chromium"
    fc-list 2>/dev/null | grep -q NotoColorEmoji || missing="$missing fontconfig fonts-noto-color-emoji"   # for pictures of the page
    /sbin/ldconfig -p | grep -q 'libatomic\.so\.1 ' || missing="$missing libatomic1"   # for Playwright's driver
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
    command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
    command -v redis-server >/dev/null || missing="$missing redis-server"
    command -v htpasswd >/dev/null || missing="$missing apache2-utils"   # for registries with users
    command -v openssl >/dev/null || missing="$missing openssl"
    command -v sqlite3 >/dev/null || missing="$missing sqlite3"
    command -v docker-compose >/dev/null || missing="$missing docker-compose"   # reads deploy/compose.yaml
    [ -x /usr/sbin/haproxy ] || missing="$missing haproxy"   # the socket proxy
    [ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
    command -v zsh >/dev/null || missing="$missing zsh"   # complete command lines
    command -v fish >/dev/null || missing="$missing fish"
    command -v ssh >/dev/null || missing="$missing openssh-client"
    command -v openssl >/dev/null || missing="$missing openssl"
    # shellcheck disable=SC2086  # a list of names, without blanks in them
    [ -z "$missing" ] || deploy/packages.sh $missing || say "tests that need them will say so"
}

install_for_bench() {
    local missing=
    command -v docker >/dev/null || missing="$missing docker.io"
    command -v restic >/dev/null || missing="$missing restic"
    command -v borg >/dev/null || missing="$missing borgbackup"
    # shellcheck disable=SC2086  # a list of names, without blanks in them
    [ -z "$missing" ] || deploy/packages.sh $missing || say "benches that need them will fail"
}

make_venv
install_for_walks
case ${1:-} in
    tests) install_for_tests ;;
    bench) install_for_tests; install_for_bench ;;
esac
