#!/bin/bash
# Installs Debian packages as root without letting any of them start a server:  packages.sh NAME…
#
# Exit: 0 installed, 1 apt-get failed, 3 this is not root on Debian or Ubuntu.
set -eu
POLICY=/usr/sbin/policy-rc.d           # invoke-rc.d asks it whether a package may start its daemon; 101 says no

[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || {
    printf 'packages.sh: only root on Debian or Ubuntu can install %s\n' "$*" >&2
    exit 3
}
if [ ! -e "$POLICY" ]; then
    trap 'rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi
printf 'packages.sh: installing %s\n' "$*" >&2
export DEBIAN_FRONTEND=noninteractive
{
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -qy -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
} </dev/null >&2 || exit 1
