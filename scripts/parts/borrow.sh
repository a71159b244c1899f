# shellcheck shell=bash
# Uses the private broker and database: starts them if they do not run, and
# restores that state at the end. Sourced after prelude.sh.

services=$checkout/scripts/services
found_running=

# Sets the addresses in the environment. Every script of this checkout that uses the services holds
# the lock file shared until its end ({in_use}>&- closes it in children that live longer).
borrow_services() {
    mkdir -p "$state"
    exec {in_use}>"$state/in-use"
    flock -s "$in_use"
    if "$services" status >/dev/null 2>&1; then
        found_running=yes
    fi
    "$services" start {in_use}>&-
    eval "$("$services" env)"
}

# The last user stops the services, unless they ran before.
return_services() {
    [[ -n ${in_use:-} && -z $found_running ]] || return 0
    if flock -n "$in_use"; then
        "$services" stop {in_use}>&-
    else
        say "another run or test uses the broker and the database: they keep running"
    fi
}
