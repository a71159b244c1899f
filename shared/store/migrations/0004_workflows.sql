-- What workflows with effects need: connections, claims, known calls.

insert into snapshot_generations (part, generation) values ('connections', 0);

create table connections (
    id          uuid primary key,
    tenant      text not null,
    name        text not null,
    kind        text not null,
    description text not null,
    enabled     boolean not null,
    -- The whole connection as JSON, secrets included, encrypted under a key of the environment.
    sealed      bytea not null,
    -- Which key: the first bytes of its digest.
    sealed_by   bytea not null,
    created_at  timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    unique (tenant, name)
);

-- An execution that may be published more than once belongs to the message that came first.
create table execution_claims (
    execution_id uuid primary key,
    message      bigint not null,
    claimed_at   timestamptz not null default now()
);
create index execution_claims_age on execution_claims (claimed_at);

-- Calls that are known by an idempotency key.
create table idempotency_keys (
    integration_id uuid not null references integrations on delete cascade,
    -- SHA-256 of the key, and of what the call asked for.
    key_digest     bytea not null check (length(key_digest) = 32),
    request_digest bytea not null check (length(request_digest) = 32),
    execution_id   uuid not null,
    expires_at     timestamptz not null,
    created_at     timestamptz not null default now(),
    primary key (integration_id, key_digest)
);
create index idempotency_keys_expiry on idempotency_keys (expires_at);
