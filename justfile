# Short names for the scripts. `just` lists them.

default:
    @just --list

# Builds Forebay and runs it with a private RabbitMQ and PostgreSQL, and the examples.
run:
    scripts/run

# Runs every test, or the tests in the arguments.
test *ARGS:
    scripts/test {{ARGS}}

# Runs every check, or the checks in the arguments.
check *ARGS:
    scripts/check {{ARGS}}

# Runs a benchmark: `just bench`, `just bench fairness`.
bench *ARGS:
    scripts/bench {{ARGS}}

# Runs load and faults for 20 minutes.
chaos *ARGS:
    scripts/chaos {{ARGS}}

# Runs the same checks and tests as CI.
ci:
    .ci/run
