#!/bin/bash
# Gives a usable Docker engine and a registry on loopback to tests and to the demo, on a machine that may have neither.
#
#   engine.sh up   [DIR]   use the engine that is there, else start a private one; writes DIR/env
#   engine.sh env  [DIR]   print DIR/env:  eval "$(deploy/engine.sh env)"
#   engine.sh down [DIR]   stop exactly what `up` started here, and remove DIR
#
# DIR defaults to $SHIPKEEPER_ENGINE_DIR, then /var/tmp/shipkeeper-engine. Several directories may be up at once.
# `up` again does nothing, or, after a crash, starts what died on the data that is there.
# SHIPKEEPER_ENGINE_PRIVATE=1 starts a private engine even if another one answers.
# SHIPKEEPER_ENGINE_ROOT=DIR: a private engine's dockerd, containerd and their helpers come from below DIR, where the
# packages of another release were unpacked (`dpkg -x`); what is not there comes from this machine.
# SHIPKEEPER_ENGINE_WORDS: more words for a private dockerd, such as --host=tcp://…
# Exit: 0 done, 1 failed, 2 wrong use, 3 no engine can be made here.
set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
if [ -n "${SHIPKEEPER_ENGINE_ROOT:-}" ]; then
    PATH="$SHIPKEEPER_ENGINE_ROOT/usr/sbin:$SHIPKEEPER_ENGINE_ROOT/usr/bin:$PATH"
fi
LC_ALL=C
export PATH LC_ALL

say()    { printf 'engine.sh: %s\n' "$*" >&2; }
fail()   { say "$*"; exit 1; }
cannot() { say "$*"; exit 3; }

usage() { say "use: engine.sh up|down|env [DIR]"; exit 2; }
[ $# -ge 1 ] && [ $# -le 2 ] || usage
VERB=$1
DIR=${2:-${SHIPKEEPER_ENGINE_DIR:-/var/tmp/shipkeeper-engine}}
DIR=${DIR%/}
SOCKET=$DIR/docker.sock
MARK=$DIR/.shipkeeper-engine          # only a directory with this file is ever removed
CONTAINERD_PID_FILE=$DIR/exec/containerd/containerd.pid
READY_SECONDS=60

case $DIR in
    /?*) ;;
    *) cannot "The directory must be an absolute path, not '$DIR': give another one." ;;
esac
case $DIR in
    *[!A-Za-z0-9._/-]* | */../* | */..) cannot "'$DIR' has characters that are not safe here: give another directory." ;;
esac
# A socket path holds fewer than 108 bytes, and Docker puts its own names, up to 45 long, below this directory.
[ ${#DIR} -le 60 ] || cannot "'$DIR' is too long for the sockets below it: give a directory of at most 60 characters."

# --- processes: who they are, not what they are called --------------------------------------------------------------

# Prints what tells one process from every other that ever has the same number: boot and start time (proc(5), field 22).
identity() {
    local stat
    { stat=$(cat "/proc/$1/stat"); } 2>/dev/null || return 1
    stat=${stat##*) }                                 # the program's name may hold blanks
    set -- $stat
    [ "$1" != Z ] || return 1                         # a zombie is gone
    printf '%s:%s\n' "$(cat /proc/sys/kernel/random/boot_id)" "${20}"
}

# remember NAME PID: DIR/NAME.run then holds "PID IDENTITY".
remember() { printf '%s %s\n' "$2" "$(identity "$2")" >"$DIR/$1.run"; }

# Prints the number of the process remembered under NAME; fails when it is gone.
alive() {
    local pid known
    { read -r pid known <"$DIR/$1.run"; } 2>/dev/null || return 1
    [ -n "$known" ] && [ "$(identity "$pid")" = "$known" ] || return 1
    printf '%s\n' "$pid"
}

# has_word PID WORD: is WORD a word of that process's command line?
has_word() { tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -e "$2"; }

# wait_gone PID TENTHS: fails when it is still there afterwards.
wait_gone() {
    local left=$2
    while identity "$1" >/dev/null; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.1
    done
}

# Prints the number in a pid file, which need not end in a newline.
number_in() {
    local pid
    { pid=$(cat "$1"); } 2>/dev/null || return 1
    [ -n "$pid" ] && [ -z "${pid//[0-9]/}" ] && printf '%s\n' "$pid"
}

# end PID: ask (a frozen process hears nothing until it is woken), wait 30 s, insist.
end() {
    kill "$1" 2>/dev/null || return 0
    kill -CONT "$1" 2>/dev/null || return 0
    wait_gone "$1" 300 || { kill -KILL "$1" 2>/dev/null; wait_gone "$1" 100; }
}

# --- one at a time --------------------------------------------------------------------------------------------------

# The lock lies beside DIR, because `down` removes DIR. A lock file that was removed while we waited is no lock: again.
lock() {
    # Elsewhere than on Linux nothing is started, so nothing needs a lock.
    [ -e /proc/self/fd ] && command -v flock >/dev/null || return 0
    mkdir -p "${DIR%/*}/"
    while :; do
        [ ! -L "$DIR.lock" ] || fail "$DIR.lock is a link; remove it."
        { exec 9>>"$DIR.lock"; } 2>/dev/null ||
            cannot "$DIR.lock belongs to somebody else: set SHIPKEEPER_ENGINE_DIR to a directory of your own."
        flock -w 300 9 || fail "Another engine.sh has held $DIR.lock for five minutes; see what it is doing."
        [ "$DIR.lock" -ef /proc/self/fd/9 ] && return
    done
}

# --- an engine that is there already --------------------------------------------------------------------------------

# curl_engine HOST PATH [OPTION…]: one request to the engine at a DOCKER_HOST url.
curl_engine() {
    local host=$1 path=$2 tls=
    shift 2
    case $host in
        unix://*) set -- "$@" --unix-socket "${host#unix://}" "http://engine$path" ;;
        tcp://* | http://* | https://*)
            case $host in https://*) tls=1 ;; esac
            [ -z "${DOCKER_TLS_VERIFY:-}" ] || tls=1
            if [ -n "$tls" ]; then
                local certificates=${DOCKER_CERT_PATH:-$HOME/.docker}
                set -- "$@" --cacert "$certificates/ca.pem" --cert "$certificates/cert.pem" \
                    --key "$certificates/key.pem" "https://${host#*://}$path"
            else
                set -- "$@" "http://${host#*://}$path"
            fi ;;
        *) return 1 ;;
    esac
    curl -s --noproxy '*' --max-time 10 "$@"
}

# Does a Docker daemon answer there? Podman's imitation does not count: it loses owners (it names itself in a header).
answers() {
    local reply
    if command -v curl >/dev/null; then
        case $1 in ssh://*) ;; *)
            reply=$(curl_engine "$1" /_ping -i) || return 1
            ! grep -qi '^libpod-api-version:' <<<"$reply" || return 1
            [ "$(tail -n 1 <<<"$reply")" = OK ]
            return ;;
        esac
    fi
    command -v docker >/dev/null && docker -H "$1" version >/dev/null 2>&1
}

found_engine() {
    [ -z "${SHIPKEEPER_ENGINE_PRIVATE:-}" ] || return 1
    if [ -n "${DOCKER_HOST:-}" ]; then
        if answers "$DOCKER_HOST"; then printf '%s\n' "$DOCKER_HOST"; return; fi
        say "DOCKER_HOST is $DOCKER_HOST, but no Docker answers there; looking further."
    fi
    [ -S /var/run/docker.sock ] && answers unix:///var/run/docker.sock || return 1
    printf 'unix:///var/run/docker.sock\n'
}

# --- a private engine -----------------------------------------------------------------------------------------------

have_programs() {
    local program
    for program in dockerd containerd docker-registry busybox curl flock setsid; do
        command -v "$program" >/dev/null || return 1
    done
}

install_programs() {
    ! have_programs || return 0
    command -v apt-get >/dev/null ||
        cannot "No Docker answers and this is not Debian or Ubuntu: start Docker, or set DOCKER_HOST, and run this again."
    "${BASH_SOURCE%/*}/packages.sh" docker.io docker-registry busybox-static curl 9>&- ||
        cannot "Docker could not be installed: see the words above, then run this again."
    hash -r
    have_programs || cannot "The packages are installed, but a program is still missing: install Docker by hand."
}

# In a container with cgroup v2, processes must leave the group under which Docker is to make groups of its own
# (the kernel's "no internal processes" rule). The machine's real root group has no cgroup.type, and needs nothing.
make_room_in_cgroup() {
    local group=/sys/fs/cgroup pid word
    [ -e $group/cgroup.type ] && [ -e $group/cgroup.controllers ] || return 0
    mkdir -p $group/init 2>/dev/null || return 0
    while read -r pid; do echo "$pid" >$group/init/cgroup.procs || true; done <$group/cgroup.procs 2>/dev/null
    for word in $(cat $group/cgroup.controllers); do
        echo "+$word" >$group/cgroup.subtree_control || true
    done 2>/dev/null
}

# dockerd's child may outlive it for a moment after a crash; a new dockerd does not start beside it.
end_containerd() {
    local pid
    pid=$(number_in "$CONTAINERD_PID_FILE") || return 0
    has_word "$pid" "$DIR/exec/containerd/containerd.toml" || return 0
    [ "${1:-}" = now ] || ! wait_gone "$pid" 50 || return 0
    end "$pid"
}

start_dockerd() {
    local driver='' tries=$((READY_SECONDS * 10)) pid
    end_containerd
    # dockerd takes the number in containerd's file for a living one even when only a zombie bears it.
    rm -f "$DIR/docker.pid" "$SOCKET" "$DIR/dockerd.run" "$CONTAINERD_PID_FILE" "$DIR/exec/containerd/"*.sock
    # An overlay cannot lie on an overlay.
    [ "$(stat -f -c %T "$DIR")" != overlayfs ] || driver="--storage-driver=vfs"
    make_room_in_cgroup
    printf '{}\n' >"$DIR/daemon.json"          # the machine's own /etc/docker/daemon.json is not for us
    # shellcheck disable=SC2086
    setsid dockerd --config-file "$DIR/daemon.json" --data-root "$DIR/data" --exec-root "$DIR/exec" \
        -H "unix://$SOCKET" --pidfile "$DIR/docker.pid" --containerd-namespace shipkeeper \
        --bridge=none --iptables=false --ip6tables=false --shutdown-timeout 2 $driver ${SHIPKEEPER_ENGINE_WORDS:-} \
        >>"$DIR/dockerd.log" 2>&1 </dev/null 9>&- &
    pid=$!
    remember dockerd "$pid" || true
    while ! { answers "unix://$SOCKET" && [ "$(cat "$DIR/docker.pid" 2>/dev/null)" = "$pid" ]; }; do
        tries=$((tries - 1))
        if [ $tries -le 0 ] || ! alive dockerd >/dev/null; then
            tail -n 15 "$DIR/dockerd.log" >&2
            undo_start
            cannot "A private dockerd does not start here (its last words are above): use a machine or a container" \
                "with mounts and cgroups (docker run --privileged), or set DOCKER_HOST."
        fi
        sleep 0.1
    done
}

# A registry that finds its port taken dies while the other program answers, so ours says a secret word in a header.
registry_answers() {
    curl -s --noproxy '*' --max-time 5 -i "http://127.0.0.1:$1/v2/" | tr -d '\r' | grep -qix "x-shipkeeper: $2"
}

# start_registry_on PORT: fails when it dies or stays mute.
start_registry_on() {
    local port=$1 word tries=150
    word=$(cat /proc/sys/kernel/random/uuid)
    cat >"$DIR/registry.yml" <<END
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $DIR/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port", headers: {X-Shipkeeper: ["$word"]}}
END
    setsid env -i PATH="$PATH" HOME="$DIR" docker-registry serve "$DIR/registry.yml" \
        >>"$DIR/registry.log" 2>&1 </dev/null 9>&- &
    remember registry $! || return 1
    until registry_answers "$port" "$word"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] && alive registry >/dev/null || return 1
        sleep 0.1
    done
    printf '%s\n' "$port" >"$DIR/registry.port"
}

start_registry() {
    local port pid tried
    port=$(cat "$DIR/registry.port" 2>/dev/null || echo $((20000 + RANDOM % 12000)))
    for tried in 1 2 3 4 5 6 7 8; do
        if start_registry_on "$port"; then return; fi
        if pid=$(alive registry); then end "$pid"; fi
        port=$((20000 + RANDOM % 12000))
    done
    tail -n 15 "$DIR/registry.log" >&2
    undo_start
    cannot "A registry does not start on loopback after $tried ports (its last words are above): free some ports."
}

# After a failed start nothing is left, unless the directory holds an engine that ran before.
undo_start() {
    [ -n "${FRESH:-}" ] || return 0
    take_down
}

own_directory() {
    [ ! -L "$DIR" ] || fail "$DIR is a link; give the directory itself."
    FRESH=
    if [ -e "$DIR" ] && [ ! -e "$MARK" ] && [ -n "$(ls -A "$DIR")" ]; then
        fail "$DIR is not empty and was not made by engine.sh: give another directory."
    fi
    if [ ! -e "$MARK" ]; then FRESH=1; fi
    mkdir -p -m 700 "$DIR"
    [ -O "$DIR" ] || fail "$DIR belongs to somebody else: give another directory."
    : >"$MARK"
}

write_env() {
    {
        printf 'export DOCKER_HOST=%q\n' "$1"
        [ -z "$2" ] || printf 'export SHIPKEEPER_TEST_REGISTRY=%q\n' "$2"
    } >"$DIR/env.new"
    mv "$DIR/env.new" "$DIR/env"
}

# --- the three verbs ------------------------------------------------------------------------------------------------

up() {
    local host pid running=
    if [ -e "$MARK" ] && pid=$(find_dockerd) && answers "unix://$SOCKET"; then
        remember dockerd "$pid"
        running=1
    fi
    if [ -z "$running" ] && host=$(found_engine) && [ "$host" != "unix://$SOCKET" ]; then
        own_directory
        write_env "$host" "${SHIPKEEPER_TEST_REGISTRY:-}"
        say "using the engine at $host; nothing was started"
        return
    fi
    [ "$(id -u)" = 0 ] ||
        cannot "No Docker answers and only root can start one: start Docker, or set DOCKER_HOST, or run this as root."
    install_programs
    own_directory
    if [ -z "$running" ]; then
        if pid=$(find_dockerd); then end "$pid"; fi          # it lives, but is mute
        start_dockerd
        remember_containerd
    fi
    if ! alive registry >/dev/null; then start_registry; fi
    write_env "unix://$SOCKET" "127.0.0.1:$(cat "$DIR/registry.port")"
    say "up: unix://$SOCKET and the registry 127.0.0.1:$(cat "$DIR/registry.port"); for your shell: . $DIR/env"
}

remember_containerd() {
    local pid
    if pid=$(number_in "$CONTAINERD_PID_FILE"); then remember containerd "$pid"; fi
}

# Force-remove all containers; nothing in a private engine is worth keeping.
remove_containers() {
    local id
    for id in $(curl_engine "unix://$SOCKET" '/containers/json?all=1' | grep -o '"Id":"[0-9a-f]\{64\}"' | cut -d'"' -f4); do
        curl_engine "unix://$SOCKET" "/containers/$id?force=1&v=1" -X DELETE >/dev/null || true
    done
}

# After a crash of dockerd its containers run on under shims, which name our containerd's socket in their command line.
end_shims() {
    local entry pid child
    for entry in /proc/[0-9]*; do
        pid=${entry#/proc/}
        has_word "$pid" "$DIR/exec/containerd/containerd.sock" || continue
        for child in $(cat "/proc/$pid/task/$pid/children" 2>/dev/null); do kill -KILL "$child" 2>/dev/null || true; done
        end "$pid"
    done
}

# A dockerd that was started on this directory by hand, as crash tests do, counts as ours: its words prove it.
find_dockerd() {
    local pid
    alive dockerd && return
    pid=$(number_in "$DIR/docker.pid") && has_word "$pid" "$DIR/docker.pid" && printf '%s\n' "$pid"
}

take_down() {
    local pid mount
    if pid=$(find_dockerd); then
        kill -CONT "$pid" 2>/dev/null || true                # a test may have frozen it
        remove_containers || true
    fi
    if pid=$(alive registry); then end "$pid"; fi
    if pid=$(find_dockerd); then end "$pid"; fi
    if pid=$(alive containerd); then end "$pid"; fi
    end_containerd now
    end_shims
    for mount in $(awk -v d="$DIR/" 'index($2, d) == 1 {print $2}' /proc/self/mounts | sort -r); do
        umount "$mount" 2>/dev/null || umount -l "$mount" || true
    done
    # Through a mount that stayed, rm would reach what is mounted there.
    ! grep -qF " $DIR/" /proc/self/mounts || fail "Something is still mounted below $DIR, so it was not removed."
    rm -rf --one-file-system "$DIR"
}

down() {
    if [ ! -e "$DIR" ]; then
        say "nothing is up in $DIR"
    elif [ ! -e "$MARK" ]; then
        fail "$DIR was not made by engine.sh, so it was left alone."
    else
        take_down
        say "down: $DIR is removed"
    fi
    rm -f "$DIR.lock"
}

case $VERB in
    up) lock; up ;;
    down) lock; down ;;
    env) cat "$DIR/env" 2>/dev/null || fail "No engine is up in $DIR: run engine.sh up first." ;;
    *) usage ;;
esac
