-- The first schema. Applied migrations are never edited: a change is a new file.

-- One row: what makes this installation different from another.
create table installation (
    only_row   boolean primary key default true check (only_row),
    id_key     bytea not null check (length(id_key) = 32),
    created_at timestamptz not null default now()
);

-- What replicas compare to learn what has changed. A writer updates its part's row first, so writers of a part
-- take turns and a generation never becomes visible before an older one.
create table snapshot_generations (
    part       text primary key,
    generation bigint not null
);
insert into snapshot_generations (part, generation) values ('integrations', 0), ('keys', 0), ('triggers', 0);

create table integrations (
    id              uuid primary key,
    tenant          text not null,
    name            text not null,
    description     text not null,
    enabled         boolean not null,
    current_version integer not null,
    -- The generation of 'integrations' that wrote the row last.
    changed         bigint not null,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    unique (tenant, name)
);
create index integrations_changed on integrations (changed);

create table integration_versions (
    integration_id uuid not null references integrations on delete cascade,
    version        integer not null check (version >= 1),
    -- json, not jsonb: the order of keys is kept, and \u0000 is allowed.
    document       json not null,
    source         text not null,
    created_at     timestamptz not null default now(),
    created_by     text not null,
    primary key (integration_id, version)
);

create table api_keys (
    id         uuid primary key,
    tenant     text not null,
    label      text not null,
    -- SHA-256 of the key. The key itself is stored nowhere.
    digest     bytea not null unique check (length(digest) = 32),
    -- The last four characters of a generated key; a pasted key may be too short to show any.
    hint       text,
    created_at timestamptz not null default now()
);

create table api_key_grants (
    key_id         uuid not null references api_keys on delete cascade,
    integration_id uuid not null references integrations on delete cascade,
    primary key (key_id, integration_id)
);
create index api_key_grants_integration on api_key_grants (integration_id);

-- accepted_at is the time in the first 48 bits of id, so that a look-up by id touches one partition, and so that the
-- order of ids is the order of acceptance. Columns stand in the order that wastes no padding.
create table executions (
    id              uuid not null,
    integration_id  uuid not null,
    accepted_at     timestamptz not null,
    started_at      timestamptz,
    -- Null: it has not ended.
    ended_at        timestamptz,
    version         integer not null,
    attempts        integer not null,
    redeliveries    integer not null,
    response_status smallint,
    halted          boolean not null,
    skipped         boolean not null,
    status          text not null,
    trigger_kind    text not null,
    worker          text not null,
    error_code      text,
    error_step      text,
    error_message   text,
    error_transient boolean,
    primary key (id, accepted_at)
) partition by range (accepted_at);
create index executions_of_integration on executions (integration_id, id);
-- Failures are few and are what people look for.
create index executions_unsuccessful on executions (id) where status <> 'succeeded';
create index executions_unsuccessful_of_integration on executions (integration_id, id) where status <> 'succeeded';
create table executions_default partition of executions default;

create table execution_payloads (
    execution_id uuid not null,
    accepted_at  timestamptz not null,
    kind         text not null,
    encoding     text not null,
    content      bytea not null,
    -- Null: as long as the partition.
    expires_at   timestamptz,
    primary key (execution_id, accepted_at, kind)
) partition by range (accepted_at);
-- Compressed already.
alter table execution_payloads alter column content set storage external;
create index execution_payloads_expiry on execution_payloads (expires_at) where expires_at is not null;
create table execution_payloads_default partition of execution_payloads default;

create table trigger_states (
    integration_id uuid primary key references integrations on delete cascade,
    state          text not null check (state in ('running', 'halted')),
    execution_id   uuid,
    error          json,
    since          timestamptz not null,
    decision       text check (decision in ('resume', 'skip')),
    decided_at     timestamptz,
    decided_by     text
);

create table workers (
    id          uuid primary key,
    name        text not null,
    version     text not null,
    started_at  timestamptz not null,
    concurrency integer not null,
    running     integer not null,
    queues      uuid[] not null,
    last_seen   timestamptz not null
) with (fillfactor = 50);
