# shellcheck shell=bash
# The private PostgreSQL cluster, 15 or newer, with trust authentication and
# reachable only from this machine. Sourced by scripts/services.

# Prints the program folder of the newest installed server, or nothing.
newest_postgres() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -V | tail -n 1)
    [[ -x $initdb ]] && dirname -- "$initdb"
    return 0
}

database_missing_package() { [[ -n $(newest_postgres) ]] || echo postgresql; }

# A cluster belongs to the major version that created it.
postgres_bin() {
    local version bin
    if version=$(as_postgres cat "$database_folder/cluster/PG_VERSION" 2>/dev/null); then
        bin=/usr/lib/postgresql/$version/bin
        [[ -x $bin/pg_ctl ]] ||
            fail "the data belong to PostgreSQL $version, which is not installed: install it, or run scripts/services remove"
        printf '%s' "$bin"
    else
        newest_postgres
    fi
}

# PostgreSQL refuses to run as root. Runs in /, because that user may not have access to the
# caller's folder.
as_postgres() {
    if is_root; then
        (cd / && runuser -u postgres -- "$@")
    else
        (cd / && "$@")
    fi
}

database_configure() {
    local bin=$1
    mkdir -p "$database_folder"
    if is_root; then
        chown postgres: "$database_folder"
    fi
    if ! as_postgres test -f "$database_folder/cluster/PG_VERSION"; then
        say "creating a database cluster"
        # Creates it in another folder and moves it, so that an interrupted initdb leaves no partial cluster.
        as_postgres rm -rf "$database_folder/new"
        as_postgres "$bin/initdb" --pgdata="$database_folder/new" --username=postgres --auth=trust \
            --encoding=UTF8 --locale=C.UTF-8 >/dev/null
        as_postgres sh -c 'echo "include '\''forebay.conf'\''" >>"$1/postgresql.conf"' sh "$database_folder/new"
        as_postgres mv "$database_folder/new" "$database_folder/cluster"
    fi
    as_postgres tee "$database_folder/cluster/forebay.conf" >/dev/null <<CONF
# Written by scripts/services at each start. fsync stays on, as in production.
listen_addresses = '127.0.0.1'
port = $database_port
unix_socket_directories = '$database_folder'
max_connections = 300
fsync = on
log_min_messages = warning
CONF
}

database_pid() { as_postgres head -n 1 "$database_folder/cluster/postmaster.pid" 2>/dev/null || true; }

database_running() { [[ -d $database_folder ]] && runs_with "$(database_pid)" "$database_folder/cluster"; }

database_answers() {
    load_ports || return
    local bin
    bin=$(postgres_bin)
    [[ -n $bin ]] && "$bin/pg_isready" -q -h 127.0.0.1 -p "$database_port" -U postgres -d forebay
}

database_query() {
    "$(postgres_bin)/psql" -X -q -A -t -h 127.0.0.1 -p "$database_port" -U postgres -d "$1" -c "$2"
}

database_start() {
    load_ports
    local bin begun=$SECONDS
    bin=$(postgres_bin)
    if database_running; then
        wait_for 60 database_answers || fail "the database runs but does not answer; see $database_folder/log"
        say "database runs: $(database_url)"
        return
    fi
    database_configure "$bin"
    # After a crash the pid file may have the number of another process, which would stop the server.
    as_postgres rm -f "$database_folder/cluster/postmaster.pid"
    if ! as_postgres "$bin/pg_ctl" start --wait --timeout=60 --silent \
        --pgdata="$database_folder/cluster" --log="$database_folder/log" </dev/null {lock}>&-; then
        as_postgres tail -n 30 "$database_folder/log" >&2
        fail "the database did not start; see $database_folder/log"
    fi
    if [[ -z $(database_query postgres "select 1 from pg_database where datname = 'forebay'") ]]; then
        database_query postgres 'create database forebay'
    fi
    say "database started in $((SECONDS - begun)) s: $(database_url)"
}

database_stop() { database_end fast stopped; }

# immediate: no checkpoint and closed sessions; the next start recovers from the log.
database_kill() { database_end immediate killed; }

# database_end MODE WORD
database_end() {
    database_running || return 0
    as_postgres "$(postgres_bin)/pg_ctl" stop --wait --timeout=60 --silent --mode="$1" \
        --pgdata="$database_folder/cluster"
    say "database $2"
}
