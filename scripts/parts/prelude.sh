# shellcheck shell=bash
# Functions for every script: the checkout's folders, messages, and waiting for
# a condition. Sourced; starts nothing.

checkout=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)

# The state folder of the scripts, ignored by git. A broker of another system (FOREBAY_BROKER_ROOT) has its own.
choose_state() {
    state=$checkout/.forebay
    if [[ -n ${FOREBAY_BROKER_ROOT:-} ]]; then
        state=$state/root-$(printf '%s' "$FOREBAY_BROKER_ROOT" | sha256sum | cut -c1-8)
    fi
}
choose_state

# Other users (the database's) need access to the created folders, independent of the caller's mask.
umask 022

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

fail() {
    say "$*"
    exit 1
}

is_root() { [[ $(id -u) == 0 ]]; }

# wait_for SECONDS COMMAND...: polls until the command succeeds; fails after SECONDS.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# has_ended PID: true if the process does not exist.
has_ended() { ! kill -0 "$1" 2>/dev/null; }

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# choose_address VARIABLE PORT STEP: exports the variable unchanged if it is set, else with the first
# free port of PORT, PORT+STEP, ... . The steps separate the ports of two variables, which are not bound yet.
choose_address() {
    local port=$2
    if [[ -z ${!1:-} ]]; then
        while port_taken "$port"; do
            port=$((port + $3))
        done
        [[ $port == "$2" ]] || say "port $2 is taken: $1 is 127.0.0.1:$port"
        printf -v "$1" '127.0.0.1:%s' "$port"
    fi
    export "${1?}"
}

# Prints the target folder of cargo, which CARGO_TARGET_DIR and cargo's settings can change.
target_folder() {
    cargo metadata --manifest-path "$checkout/Cargo.toml" --locked --no-deps --format-version 1 |
        sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}
