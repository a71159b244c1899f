# shellcheck shell=bash
# Installs Debian's packages as root or by sudo, without letting them start
# services. Sourced after prelude.sh.

# missing_build_packages: what compiling the workspace needs and the machine does not have.
missing_build_packages() {
    command -v cc >/dev/null || echo build-essential
    command -v pkg-config >/dev/null || echo pkg-config
    command -v curl >/dev/null || echo curl
    [[ -f /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

# install_packages NAME...: nothing to do without names.
install_packages() {
    (($#)) || return 0
    command -v apt-get >/dev/null ||
        fail "these are missing, and this system has no apt-get to install them: $*"
    say "installing $*"
    mkdir -p "$state"
    # A subshell, so that its exit trap takes the policy away whatever happens.
    (
        keep_installed_services_stopped &&
            apt update &&
            apt install -y --no-install-recommends "$@"
    ) >"$state/apt.log" 2>&1 || {
        tail -n 20 "$state/apt.log" >&2
        fail "installing failed; all of it is in $state/apt.log"
    }
}

# apt VERB ARGS...: waits for another apt on the machine instead of failing.
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
        echo "not root and no sudo to run: $*" >&2
        return 1
    fi
}

# The packages would start a system-wide node and cluster, on the standard ports, that nobody
# asked for. 101 is invoke-rc.d's "not allowed".
policy=/usr/sbin/policy-rc.d
keep_installed_services_stopped() {
    [[ -e $policy ]] && return
    trap 'as_root rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 0755 $policy
}
