# Builds the forebay command for every service of the stack: `docker build -t forebay:local .`
# Uses only plain instructions, so that engines without BuildKit can build it.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package forebay && cp target/release/forebay /forebay

FROM debian:bookworm-slim
# Certificate authorities for HTTPS steps, time zones for schedules.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin forebay
COPY --from=build /forebay /usr/local/bin/forebay
USER 10001
# Listens on all addresses: the defaults are loopback addresses, which are unreachable from outside of the container.
ENV FOREBAY_HTTP_LISTEN=0.0.0.0:8080 \
    FOREBAY_CONSOLE_LISTEN=0.0.0.0:8081
EXPOSE 8080 8081 9464
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 CMD ["forebay", "health"]
# Sets the address of the management port here and not in ENV above. The former name FOREBAY_ADMIN_LISTEN works for one more release;
# the command refuses both names with different values.
ENTRYPOINT ["/bin/sh", "-c", "export FOREBAY_MANAGEMENT_LISTEN=\"${FOREBAY_MANAGEMENT_LISTEN:-${FOREBAY_ADMIN_LISTEN:-0.0.0.0:9464}}\"; exec forebay \"$@\"", "forebay"]
