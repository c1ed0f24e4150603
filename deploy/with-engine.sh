#!/bin/bash
# Runs a command with a Docker engine: the one that is there, or a private one that is gone afterwards.
#
#   with-engine.sh NAME COMMAND…     NAME keeps two uses apart
#
# Without any engine the command runs all the same; whatever needs one then says why it cannot go on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1; shift
dir=${SHIPKEEPER_ENGINE_BASE:-/var/tmp}/shipkeeper-$name-$(id -u)

down() { "$here/engine.sh" down "$dir"; }

if "$here/engine.sh" up "$dir"; then
    trap down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    eval "$("$here/engine.sh" env "$dir")"
elif [ "${CI:-}" = true ]; then
    exit 1
fi
"$@"
