# shellcheck shell=bash
# The lock, data folder, ports and addresses of this checkout's services.
# Sourced by scripts/services.

# Identifies resources of this checkout and user outside of it: node, data folder, compose project.
checkout_hash=$(printf '%s %s%s' "$checkout" "$(id -u)" "${FOREBAY_BROKER_ROOT:+ $FOREBAY_BROKER_ROOT}" | sha256sum | cut -c1-8)

# Allows one verb at a time in a checkout. Long-lived children close the descriptor
# ({lock}>&-), because otherwise they would hold the lock until their end.
lock=
take_lock() {
    [[ -n $lock ]] && return
    exec {lock}>"$state/lock"
    flock "$lock"
}

started() { [[ -f $state/env ]]; }

# runs_with PID TEXT: true if the process lives and its environment or command line contains the
# text. A pid file from a crash can therefore never lead to another process.
runs_with() {
    [[ -n $1 && -r /proc/$1/environ ]] || return 1
    grep -qzF -- "$2" "/proc/$1/environ" "/proc/$1/cmdline" 2>/dev/null
}

# --- addresses ---------------------------------------------------------------

# The environment may contain the addresses of an earlier start (a shell that sourced
# .forebay/env, a test that calls this script). Those are private, not external.
external_broker() {
    [[ -n ${FOREBAY_AMQP_URL:-} ]] && ! { load_ports && [[ $FOREBAY_AMQP_URL == "$(private_broker_url)" ]]; }
}

external_database() {
    [[ -n ${FOREBAY_DATABASE_URL:-} ]] && ! { load_ports && [[ $FOREBAY_DATABASE_URL == "$(private_database_url)" ]]; }
}

private_broker_url() {
    if started_by_compose; then
        printf 'amqp://forebay:forebay@127.0.0.1:%s/%%2f' "$amqp_port"
    else
        printf 'amqp://guest:guest@127.0.0.1:%s/%%2f' "$amqp_port"
    fi
}

private_database_url() {
    if started_by_compose; then
        printf 'postgres://forebay:forebay@127.0.0.1:%s/forebay' "$database_port"
    else
        printf 'postgres://postgres@127.0.0.1:%s/forebay' "$database_port"
    fi
}

broker_url() {
    if external_broker; then
        printf '%s' "$FOREBAY_AMQP_URL"
    elif load_ports; then
        private_broker_url
    fi
}

database_url() {
    if external_database; then
        printf '%s' "$FOREBAY_DATABASE_URL"
    elif load_ports; then
        private_database_url
    fi
}

env_lines() {
    printf 'export FOREBAY_AMQP_URL=%q\n' "$(broker_url)"
    printf 'export FOREBAY_DATABASE_URL=%q\n' "$(database_url)"
}

write_env() {
    env_lines >"$state/env.new"
    mv "$state/env.new" "$state/env"
}

# --- data folder -------------------------------------------------------------

# Uses the real paths: the database's user cannot follow a link out of a folder that it has no
# access to.
use_data_folder() {
    data=$1
    broker_folder=$data/broker
    database_folder=$data/database
}
use_data_folder "$(readlink -m -- "$state/data")"

# PostgreSQL refuses to run as root, and its user needs access to its folder, which a checkout
# under /root or a 0700 temporary folder does not give. A Unix socket's path has at most about
# 107 bytes. In both cases the data is in /var/tmp and .forebay/data is a link to it.
choose_data_folder() {
    local inside=$state/data
    if [[ -d $inside ]]; then
        use_data_folder "$(readlink -f -- "$inside")"
        return
    fi
    if ((${#inside} < 80)) && { ! is_root || external_database || runuser -u postgres -- test -x "$state"; }; then
        mkdir -p "$inside"
        use_data_folder "$inside"
        return
    fi
    local outside=/var/tmp/forebay-$checkout_hash
    mkdir -p -m 0755 "$outside"
    [[ -O $outside && ! -L $outside ]] || fail "$outside belongs to another user: remove it, or move this checkout"
    ln -sfn "$outside" "$inside"
    use_data_folder "$outside"
}

remove_data() {
    rm -rf -- "$data" "$state/data" "$state/env" "$state/ports" "$state/by"
}

# --- ports -------------------------------------------------------------------

amqp_port='' dist_port='' epmd_port='' database_port=''

load_ports() {
    [[ -f $state/ports ]] || return
    read -r amqp_port dist_port epmd_port database_port <"$state/ports"
}

stored_ports_are_usable() {
    load_ports || return
    broker_running && return
    database_running && return
    ! any_port_taken
}

any_port_taken() {
    local port
    for port in "$amqp_port" "$dist_port" "$epmd_port" "$database_port"; do
        port_taken "$port" && return
    done
    return 1
}

# Selects a block of ten ports between 21000 and 25000. The block is below the kernel's range for
# outgoing connections, so no connection takes a port while its service restarts, and it contains
# no standard port. The hash gives checkouts different blocks; the loop skips taken ones.
choose_ports() {
    stored_ports_are_usable && return
    local first=$((16#$checkout_hash % 400)) try base
    for ((try = 0; try < 400; try++)); do
        base=$((21000 + (first + try) % 400 * 10))
        amqp_port=$base dist_port=$((base + 1)) epmd_port=$((base + 2)) database_port=$((base + 3))
        if ! any_port_taken; then
            printf '%s %s %s %s\n' "$amqp_port" "$dist_port" "$epmd_port" "$database_port" >"$state/ports"
            return
        fi
    done
    fail "no block of ten ports between 21000 and 25000 is free: stop the services of other checkouts"
}
