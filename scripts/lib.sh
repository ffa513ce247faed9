# What the scripts share: where things are, how they complain, how a missing tool
# is fetched, and how a process is recognised. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# Cargo reads a relative CARGO_TARGET_DIR from the caller's directory; so do the scripts,
# and hand it on as an absolute path because they change directory.
target=${CARGO_TARGET_DIR:-$root/target}
[[ $target == /* ]] || target=$PWD/$target
mkdir -p "$target"
target=$(cd "$target" && pwd -P)
if [[ -n ${CARGO_TARGET_DIR:-} ]]; then
    export CARGO_TARGET_DIR=$target
fi
# Tools on loopback must not ask a proxy.
export no_proxy="${no_proxy:+$no_proxy,}127.0.0.1,localhost"

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { warn "$*"; exit 1; }

# need COMMAND PACKAGE…: the command is there, or apt-get brings it, or one line names it.
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null && return
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        warn "$command is missing: installing $*"
        apt_install "$@" && command -v "$command" >/dev/null && return
    fi
    die "$command is missing: install the package $* (Debian's name) and start again"
}

# The package lists are fetched only if the packages cannot be had without.
apt_install() {
    local log=$target/apt.log
    if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
        apt-get update </dev/null >"$log" 2>&1 || true
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" </dev/null >>"$log" 2>&1 || {
            tail -n 3 "$log" >&2
            return 1
        }
    fi
}

# started_at PID: the kernel's start time of a process, in ticks since boot; together
# with the PID it names a process that a reused number cannot pass for.
started_at() {
    local stat
    { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
    # The name in brackets may hold blanks and brackets: count from behind it.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    # A zombie has ended; only its parent has not noticed.
    [[ $1 != [ZX] ]] || return 1
    printf '%s' "${20}"
}

# is_alive PID TICKS: that very process still runs.
is_alive() {
    local now
    now=$(started_at "$1") && [[ $now == "$2" ]]
}

# gone_within SECONDS PID TICKS: waits for its end.
gone_within() {
    local until=$((SECONDS + $1))
    while is_alive "$2" "$3"; do
        ((SECONDS < until)) || return 1
        sleep 0.1
    done
}

# port_answers PORT: something listens at the loopback.
port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# rocketmq_says PORT CODE: what a part of RocketMQ answers to a request without fields, without its zeros.
rocketmq_says() {
    local header="{\"code\":$2,\"flag\":0,\"language\":\"OTHER\",\"opaque\":1,\"version\":0}" size reply
    printf -v size '\\x%02x' $((4 + ${#header})) "${#header}"
    reply=$(
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit
        # Size of all that follows, size of the header, header; no body.
        printf "\\0\\0\\0${size:0:4}\\0\\0\\0${size:4}%s" "$header" >&3
        # The other side leaves the connection open.
        timeout 1 cat <&3 | tr -d '\0'
    ) 2>/dev/null || true
    printf '%s' "$reply"
}

# close_inherited: closes everything but stdin, stdout and stderr, so that what is
# started next holds neither a lock nor a pipe somebody waits on.
close_inherited() {
    local fd
    for fd in "/proc/$BASHPID/fd/"*; do
        fd=${fd##*/}
        ((fd < 3)) || eval "exec $fd>&-"
    done
}
