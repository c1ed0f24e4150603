#!/bin/bash
# Makes what a private registry needs: an authority of its own, a certificate from it, and users.
#
#   registry.sh init DIR NAME…    DIR/ca.pem, DIR/server.pem and their keys; NAMEs are host names or IP addresses
#   registry.sh user DIR USER     a user, or a new password for one, in DIR/htpasswd; the password is standard input
#
# Docker hosts trust it once ca.pem lies in /etc/docker/certs.d/NAME:PORT/ca.crt, and the bot with `ca_file`.
# `init` again makes a new certificate from the same authority. Exit: 0 done, 1 failed, 2 wrong use.
set -eu
umask 077
YEARS=2

say()   { printf 'registry.sh: %s\n' "$*" >&2; }
usage() { say "use: registry.sh init DIR NAME… | registry.sh user DIR USER"; exit 2; }
need()  { command -v "$1" >/dev/null || { say "the program $1 is missing: install the Debian package $2"; exit 1; }; }

names() {
    local name list=
    for name in "$@"; do
        case $name in
            *[!A-Za-z0-9.:-]* | "") say "'$name' is neither a host name nor an IP address"; exit 2 ;;
        esac
        if is_address "$name"; then list="$list,IP:$name"; else list="$list,DNS:$name"; fi
    done
    printf '%s\n' "${list#,}"
}

is_address() { [[ $1 == *:* || $1 =~ ^[0-9]+(\.[0-9]+){3}$ ]]; }

key_for() { [ -e "$1" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

init() {
    local dir=$1 san
    shift
    need openssl openssl
    san=$(names "$@")
    mkdir -p "$dir"
    key_for "$dir/ca.key"
    [ -e "$dir/ca.pem" ] || openssl req -x509 -new -key "$dir/ca.key" -days $((YEARS * 5 * 365)) -out "$dir/ca.pem" \
        -subj "/CN=registry authority of $1" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    key_for "$dir/server.key"
    printf '%s\n' "subjectAltName=$san" basicConstraints=critical,CA:FALSE extendedKeyUsage=serverAuth >"$dir/extensions"
    openssl req -new -key "$dir/server.key" -subj "/CN=$1" |
        openssl x509 -req -days $((YEARS * 365)) -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial \
            -extfile "$dir/extensions" -out "$dir/server.pem" 2>/dev/null
    rm -f "$dir/extensions" "$dir/ca.srl"
    [ -e "$dir/htpasswd" ] || : >"$dir/htpasswd"
    chmod 644 "$dir/ca.pem" "$dir/server.pem"
    say "$dir has a certificate for $* until $(openssl x509 -in "$dir/server.pem" -noout -enddate | cut -d= -f2)"
}

user() {
    need htpasswd apache2-utils
    [ -e "$1/htpasswd" ] || { say "$1 was not made by registry.sh init"; exit 1; }
    htpasswd -iB "$1/htpasswd" "$2" >/dev/null 2>&1 || { say "htpasswd did not take that user or password"; exit 1; }
    say "$1/htpasswd has the user $2; restart the registry, which reads it when it starts"
}

case "${1:-}:$#" in
    init:[3-9] | init:[1-9][0-9]) shift; init "$@" ;;
    user:3) user "$2" "$3" ;;
    *) usage ;;
esac
