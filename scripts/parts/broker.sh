# shellcheck shell=bash
# The private RabbitMQ node: 3.10 (Debian 12) to 4.x, started by the package's
# own script. Debian's wrapper requires the user rabbitmq and /var/lib/rabbitmq.
# Sourced by scripts/services.

rabbitmq_bin=/usr/lib/rabbitmq/bin
broker_node=forebay-$checkout_hash@localhost

# With FOREBAY_BROKER_ROOT the node comes from the Debian system in that folder (broker_root.sh).
broker_missing_package() {
    [[ -n ${FOREBAY_BROKER_ROOT:-} || -x $rabbitmq_bin/rabbitmq-server ]] || echo rabbitmq-server
}

# Passes only the settings below to the node, and no settings of the system's own broker from the
# environment or from /etc/rabbitmq. Replaces the calling shell.
exec_in_broker_environment() {
    local enter=()
    [[ -z ${FOREBAY_BROKER_ROOT:-} ]] || enter=("$parts/enter-root" "$FOREBAY_BROKER_ROOT" "$broker_folder")
    exec "${enter[@]}" env -i PATH="/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 \
        HOME="$broker_folder" \
        ERL_EPMD_ADDRESS=127.0.0.1 \
        ERL_EPMD_PORT="$epmd_port" \
        RABBITMQ_NODENAME="$broker_node" \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$amqp_port" \
        RABBITMQ_DIST_PORT="$dist_port" \
        RABBITMQ_BASE="$broker_folder" \
        RABBITMQ_MNESIA_BASE="$broker_folder/mnesia" \
        RABBITMQ_LOG_BASE="$broker_folder/log" \
        RABBITMQ_GENERATED_CONFIG_DIR="$broker_folder/config" \
        RABBITMQ_CONF_ENV_FILE="$broker_folder/rabbitmq-env.conf" \
        RABBITMQ_CONFIG_FILE="$broker_folder/rabbitmq.conf" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$broker_folder/enabled_plugins" \
        RABBITMQ_PID_FILE="$broker_folder/pid" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        "$@"
}

broker_configure() {
    mkdir -p "$broker_folder"/{mnesia,log,config}
    if [[ ! -f $broker_folder/.erlang.cookie ]]; then
        (umask 077 && od -An -N20 -tx1 /dev/urandom | tr -d ' \n' >"$broker_folder/.erlang.cookie")
        chmod 0400 "$broker_folder/.erlang.cookie"
    fi
    printf '[].\n' >"$broker_folder/enabled_plugins"
    : >"$broker_folder/rabbitmq-env.conf"
    cat >"$broker_folder/rabbitmq.conf" <<CONF
# Written by scripts/services at each start. Heartbeat and consumer timeout stay at their defaults.
loopback_users.guest = true
vm_memory_high_watermark.relative = 0.25
disk_free_limit.absolute = 200MB
CONF
}

broker_pid() { cat "$broker_folder/pid" 2>/dev/null || true; }

broker_running() { runs_with "$(broker_pid)" "RABBITMQ_NODENAME=$broker_node"; }

# A node opens its listener last. Sends the protocol header and expects a method frame
# (type 1: connection.start), which proves more than an open port.
broker_answers() {
    load_ports || return
    (
        exec 3<>"/dev/tcp/127.0.0.1/$amqp_port" &&
            printf 'AMQP\0\0\11\1' >&3 &&
            IFS= read -r -t 2 -n 1 first <&3 &&
            [[ $first == $'\1' ]]
    ) 2>/dev/null
}

broker_start() {
    load_ports
    if broker_running; then
        wait_for 90 broker_answers || fail "the broker runs but does not answer; see $broker_folder/log"
        say "broker runs: $(broker_url)"
        return
    fi
    broker_configure
    rm -f "$broker_folder/pid"
    local begun=$SECONDS
    (
        # Enough for many connections, but not a container's limit of a billion files, for which
        # Erlang would reserve tables.
        ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
        cd "$broker_folder"
        exec_in_broker_environment setsid "$rabbitmq_bin/rabbitmq-server" \
            </dev/null >"$broker_folder/log/console" 2>&1 {lock}>&- &
        echo $! >"$broker_folder/launcher"
    )
    wait_for 90 broker_answers_or_failed || true
    if ! broker_answers; then
        tail -n 30 "$broker_folder/log/console" >&2
        fail "the broker did not start; see $broker_folder/log"
    fi
    say "broker started in $((SECONDS - begun)) s: $(broker_url)"
}

# The end of the launcher is a failed start, which is reported at once.
broker_answers_or_failed() {
    { broker_running && broker_answers; } || has_ended "$(<"$broker_folder/launcher")"
}

broker_stop() {
    if broker_running; then
        local pid
        pid=$(broker_pid)
        kill -TERM "$pid"
        if ! wait_for 60 has_ended "$pid"; then
            say "the broker did not stop in 60 s: killing it"
            kill -KILL "$pid"
            wait_for 10 has_ended "$pid"
        fi
        say "broker stopped"
    fi
    rm -f "$broker_folder/pid"
    stop_port_mapper
}

broker_kill() {
    broker_running || return 0
    local pid
    pid=$(broker_pid)
    kill -KILL "$pid"
    wait_for 10 has_ended "$pid"
    rm -f "$broker_folder/pid"
    say "broker killed"
}

# epmd outlives the node that started it. It has a separate port, so no other node uses it.
stop_port_mapper() {
    load_ports && port_taken "$epmd_port" || return 0
    (exec_in_broker_environment epmd -port "$epmd_port" -kill) >/dev/null 2>&1 || true
}

broker_ctl() {
    load_ports
    exec_in_broker_environment "$rabbitmq_bin/rabbitmqctl" "$@"
}
