# shellcheck shell=bash
# Runs the private broker with another version of RabbitMQ, from a newer Debian system in a folder.
# Sourced after prelude.sh and packages.sh.

# Prints the folder of a Debian trixie with RabbitMQ 4; installs it the first time.
rabbitmq_4_root() {
    local root=$checkout/.forebay/rabbitmq-4
    if [[ ! -e $root/.complete ]]; then
        command -v debootstrap >/dev/null || install_packages debootstrap >&2
        say "installing RabbitMQ 4 from Debian trixie into $root (takes some minutes, about 400 MB)"
        mkdir -p "$root"
        as_root debootstrap --variant=minbase --include=rabbitmq-server trixie "$root" >"$root.log" 2>&1 || {
            tail -n 20 "$root.log" >&2
            fail "installing the system in $root failed: remove the folder and try again; the log is $root.log"
        }
        touch "$root/.complete"
    fi
    printf '%s' "$root"
}

# Fails if FOREBAY_BROKER_ROOT cannot be used.
check_broker_root() {
    [[ -x $FOREBAY_BROKER_ROOT/usr/lib/rabbitmq/bin/rabbitmq-server ]] ||
        fail "FOREBAY_BROKER_ROOT: $FOREBAY_BROKER_ROOT has no RabbitMQ: install rabbitmq-server there, or give another folder"
    is_root || fail "FOREBAY_BROKER_ROOT needs root for chroot: run this as root"
}
