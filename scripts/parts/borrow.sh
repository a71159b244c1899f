# shellcheck shell=bash
# Borrows the private broker and database: starts them where they do not run,
# and leaves them as they were found. Sourced after prelude.sh.

services=$checkout/scripts/services
found_running=

# Sets the addresses in the environment. Everybody in this checkout who borrows holds the lock
# file shared until the end ({in_use}>&- keeps it from children that live longer).
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

# The last one to leave stops them, unless they ran before.
return_services() {
    [[ -n ${in_use:-} && -z $found_running ]] || return 0
    if flock -n "$in_use"; then
        "$services" stop {in_use}>&-
    else
        say "the broker and the database are in use by another run or test: leaving them"
    fi
}
