# shellcheck shell=bash
# A RabbitMQ of another version: that of a newer Debian system in a folder, which the private broker is then run from.
# Sourced after prelude.sh and packages.sh.

# Prints the folder of a Debian trixie with RabbitMQ 4, which is installed there the first time.
rabbitmq_4_root() {
    local root=$checkout/.forebay/rabbitmq-4
    if [[ ! -e $root/.complete ]]; then
        command -v debootstrap >/dev/null || install_packages debootstrap >&2
        say "installing RabbitMQ 4 of Debian trixie into $root (some minutes, about 400 MB)"
        mkdir -p "$root"
        as_root debootstrap --variant=minbase --include=rabbitmq-server trixie "$root" >"$root.log" 2>&1 || {
            tail -n 20 "$root.log" >&2
            fail "the system in $root is not complete; remove the folder and try again. All of it is in $root.log"
        }
        touch "$root/.complete"
    fi
    printf '%s' "$root"
}

# Fails where FOREBAY_BROKER_ROOT cannot be used.
check_broker_root() {
    [[ -x $FOREBAY_BROKER_ROOT/usr/lib/rabbitmq/bin/rabbitmq-server ]] ||
        fail "there is no RabbitMQ in $FOREBAY_BROKER_ROOT: install rabbitmq-server there, or give another folder"
    is_root || fail "a broker of another system is run by chroot, which needs root: run this as root"
}
