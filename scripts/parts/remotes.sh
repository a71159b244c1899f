# shellcheck shell=bash
# Prepares the remote systems for tests of connectors: OpenSSH's server, which each test starts, and a
# MariaDB. Starts a MariaDB for one run of the tests, unless FOREBAY_MARIADB_URL names one or one
# answers on its usual port. Sourced by scripts/test after packages.sh.

mariadb_folder=

mariadb_is_given() { [[ -n ${FOREBAY_MARIADB_URL:-} ]] || mariadb_answers 3306; }

# mariadb_answers PORT: true if a server without a password for root answers, as the tests need it.
mariadb_answers() {
    command -v mariadb >/dev/null &&
        mariadb --no-defaults -h 127.0.0.1 -P "$1" -u root -e 'CREATE DATABASE IF NOT EXISTS test' >/dev/null 2>&1
}

prepare_remotes() {
    local packages=()
    [[ -x /usr/sbin/sshd ]] || packages+=(openssh-server)
    command -v ssh-keygen >/dev/null || packages+=(openssh-client)
    if ! mariadb_is_given; then
        command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null || packages+=(mariadb-server)
    fi
    install_packages "${packages[@]}"
    mariadb_is_given || mariadb_start
}

mariadb_start() {
    mariadb_folder=$(mktemp -d /var/tmp/forebay-mariadb.XXXXXX)
    local user port=23306
    while port_taken "$port"; do port=$((port + 1)); done
    user=$(id -un)
    # MariaDB refuses to run as root.
    if is_root; then
        user=mysql
        chown mysql: "$mariadb_folder"
    fi
    mariadb-install-db --no-defaults --auth-root-authentication-method=normal --user="$user" \
        --datadir="$mariadb_folder/data" >"$mariadb_folder/install.log" 2>&1 ||
        fail "mariadb-install-db failed; see $mariadb_folder/install.log"
    # Closes the lock of borrow_services in a child that may live longer.
    # shellcheck disable=SC2154
    mariadbd --no-defaults --user="$user" --datadir="$mariadb_folder/data" --bind-address=127.0.0.1 --port="$port" \
        --socket="$mariadb_folder/socket" --pid-file="$mariadb_folder/pid" --max-connections=300 \
        </dev/null >"$mariadb_folder/log" 2>&1 {in_use}>&- &
    if wait_for 60 mariadb_answers "$port"; then
        export FOREBAY_MARIADB_URL="mysql://root@127.0.0.1:$port/test"
        return
    fi
    tail -n 20 "$mariadb_folder/log" >&2
    fail "MariaDB did not start within 60 s; its log is above"
}

# Stops the MariaDB that this script started.
stop_remotes() {
    [[ -n $mariadb_folder ]] || return 0
    local pid
    pid=$(cat "$mariadb_folder/pid" 2>/dev/null || true)
    if [[ -n $pid ]] && kill "$pid" 2>/dev/null; then
        wait_for 30 has_ended "$pid" || true
    fi
    rm -rf "$mariadb_folder"
}
