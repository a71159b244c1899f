# shellcheck shell=bash
# Runs a separate container engine for scripts/compose-check: dockerd with its own
# folder, socket and pid file, and stand-ins for public images from Debian's
# packages. Needs root. Sourced after prelude.sh and packages.sh.

work=${FOREBAY_DOCKER_FOLDER:-/var/tmp/forebay-docker}
engine_pid_file=$work/run/dockerd.pid
debian_mirror=${FOREBAY_DEBIAN_MIRROR:-http://deb.debian.org/debian}

engine_start() {
    is_root || fail "no container engine answers: start one, or run this as root"
    local packages
    mapfile -t packages < <(
        command -v dockerd >/dev/null || echo docker.io
        command -v docker-compose >/dev/null || echo docker-compose
        command -v debootstrap >/dev/null || echo debootstrap
        command -v iptables >/dev/null || echo iptables
    )
    install_packages "${packages[@]}"
    mkdir -p "$work/run"
    export DOCKER_HOST=unix://$work/run/docker.sock
    if ! docker info >/dev/null 2>&1; then
        # dockerd closes forwarding and adds chains; engine_stop reverts both.
        iptables -S FORWARD | head -n 1 >"$work/run/forward-policy"
        cat /proc/sys/net/ipv4/ip_forward >"$work/run/ip_forward"
        rm -f "$engine_pid_file"
        setsid dockerd --data-root "$work/data" --exec-root "$work/run/exec" \
            --pidfile "$engine_pid_file" --host "$DOCKER_HOST" \
            </dev/null >"$work/dockerd.log" 2>&1 &
    fi
    if ! wait_for 30 engine_answers; then
        tail -n 20 "$work/dockerd.log" >&2
        fail "dockerd did not start; see $work/dockerd.log"
    fi
}

engine_answers() { docker info >/dev/null 2>&1; }

engine_stop() {
    [[ -f $engine_pid_file ]] || return 0
    local pid
    pid=$(<"$engine_pid_file")
    grep -qz -- '^dockerd' "/proc/$pid/cmdline" 2>/dev/null || return 0
    kill -TERM "$pid"
    wait_for 60 has_ended "$pid" || say "dockerd ($pid) did not end within 60 s"
    umount "$work/run/exec/netns/default" 2>/dev/null || true
    # Restores all current rules except dockerd's, because other programs may have changed theirs meanwhile.
    iptables-save | grep -vi docker | iptables-restore
    xargs iptables <"$work/run/forward-policy"
    cat "$work/run/ip_forward" >/proc/sys/net/ipv4/ip_forward
    ip link delete docker0 2>/dev/null || true
}

# --- stand-ins -----------------------------------------------------------------

have_image() { docker image inspect "$1" >/dev/null 2>&1; }

build_stand_ins() {
    debian_image bookworm
    debian_image trixie
    have_image rabbitmq:4.0 || docker_build rabbitmq:4.0 "$scripts/stand-ins/rabbitmq/Dockerfile" "$scripts/stand-ins/rabbitmq"
    have_image postgres:17 || docker_build postgres:17 "$scripts/stand-ins/postgres/Dockerfile" "$scripts/stand-ins/postgres"
    have_image rust:1.95-bookworm ||
        docker_build rust:1.95-bookworm "$scripts/stand-ins/rust/Dockerfile" "$(rustc --print sysroot)"
    docker images
}

debian_image() {
    have_image "debian:$1-slim" && return
    local root=$work/$1-root
    rm -rf -- "$root"
    debootstrap --variant=minbase --include=ca-certificates "$1" "$root" "$debian_mirror" >"$work/debootstrap-$1.log"
    # Adds this machine's own certificate authorities, because a proxy before crates.io may use them.
    cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null 2>&1
    tar -C "$root" -c . | docker import - "debian:$1-slim"
    rm -rf -- "$root"
}

# docker_build TAG DOCKERFILE CONTEXT
docker_build() {
    DOCKER_BUILDKIT=0 docker build --quiet --tag "$1" --file "$2" "$3" >"$work/build.log" 2>&1 || {
        tail -n 20 "$work/build.log" >&2
        fail "building $1 failed; see $work/build.log"
    }
}
