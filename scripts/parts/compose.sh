# shellcheck shell=bash
# Runs the two services by docker compose, for machines with a container engine
# and without the packages (FOREBAY_SERVICES_BY=compose). Sourced by scripts/services.

# The file `by` records how the services were first started, until remove, so that stop finds them.
started_by_compose() { [[ -f $state/by && $(<"$state/by") == compose ]]; }

record_start_method() {
    local wanted=${FOREBAY_SERVICES_BY:-packages}
    case $wanted in
        packages | compose) ;;
        *) fail "FOREBAY_SERVICES_BY is '$wanted': set it to packages or compose" ;;
    esac
    [[ -f $state/by ]] || echo "$wanted" >"$state/by"
    if [[ -n ${FOREBAY_SERVICES_BY:-} && $(<"$state/by") != "$wanted" ]]; then
        fail "these services run by $(<"$state/by"): run scripts/services remove before you change to $wanted"
    fi
}

compose() {
    local command=(docker compose)
    docker compose version >/dev/null 2>&1 || command=(docker-compose)
    # The compose file requires the key, which these two services do not use.
    FOREBAY_AMQP_PORT=$amqp_port FOREBAY_DATABASE_PORT=$database_port FOREBAY_SECRET_KEY=${FOREBAY_SECRET_KEY:-unused} \
        "${command[@]}" --project-name "forebay-$checkout_hash" \
        --file "$checkout/docker-compose.yml" --file "$parts/published-ports.yml" "$@"
}

compose_start() {
    docker info >/dev/null 2>&1 ||
        fail "FOREBAY_SERVICES_BY=compose, but no container engine answers (docker info)"
    choose_ports
    compose up -d rabbitmq postgres
    wait_for 120 broker_answers || fail "the broker did not start: docker compose logs rabbitmq"
    wait_for 120 compose_database_answers || fail "the database did not start: docker compose logs postgres"
    say "broker and database run by compose: $(broker_url) $(database_url)"
}

compose_database_answers() {
    compose_exec postgres pg_isready -q -h 127.0.0.1 -U forebay -d forebay >/dev/null 2>&1
}

compose_exec() { load_ports && compose exec -T "$@"; }

compose_stop() { load_ports && compose stop rabbitmq postgres; }

compose_remove() { load_ports && compose down --volumes; }

# compose_one VERB SERVICE
compose_one() {
    load_ports
    local name=postgres
    [[ $2 == broker ]] && name=rabbitmq
    compose "$1" "$name"
    case $1 in
        start | restart)
            if [[ $2 == broker ]]; then
                wait_for 120 broker_answers
            else
                wait_for 120 compose_database_answers
            fi
            ;;
    esac
}
