# shellcheck shell=bash
# Installs Debian's packages as root or by sudo and prevents them from starting
# services. Sourced after prelude.sh.

# missing_build_packages: prints the missing packages for compiling the workspace.
missing_build_packages() {
    command -v cc >/dev/null || echo build-essential
    command -v pkg-config >/dev/null || echo pkg-config
    command -v curl >/dev/null || echo curl
    [[ -f /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

# install_packages NAME...: does nothing without names.
install_packages() {
    (($#)) || return 0
    command -v apt-get >/dev/null ||
        fail "missing packages: $*. This system has no apt-get: install them, then run this again"
    say "installing $*"
    mkdir -p "$state"
    # A subshell, so that its exit trap always removes the policy.
    (
        keep_installed_services_stopped &&
            apt update &&
            apt install -y --no-install-recommends "$@"
    ) >"$state/apt.log" 2>&1 || {
        tail -n 20 "$state/apt.log" >&2
        fail "apt-get failed; the log is $state/apt.log"
    }
}

# apt VERB ARGS...: waits up to 300 s if another apt runs on the machine.
apt() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

can_install() { command -v apt-get >/dev/null && { is_root || sudo -n true 2>/dev/null; }; }

as_root() {
    if is_root; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -n "$@"
    else
        echo "this needs root or sudo: $*" >&2
        return 1
    fi
}

# Without this policy the packages would start a system-wide node and cluster on the standard
# ports. 101 is invoke-rc.d's "not allowed".
policy=/usr/sbin/policy-rc.d
keep_installed_services_stopped() {
    [[ -e $policy ]] && return
    trap 'as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 0755 $policy
}
