-- How far encrypting anew has come, after a new key was put first in FOREBAY_SECRET_KEY. One row: the last time.
create table key_rotation (
    only_row     boolean primary key default true check (only_row),
    -- The id of the key under which all is encrypted in the end.
    key_id       bytea not null,
    -- Who does it now: another process takes over from one that is gone.
    runner       uuid not null,
    started_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    -- Null: not yet.
    finished_at  timestamptz,
    -- Connections and keys, then payloads of executions.
    resealed     bigint not null default 0,
    -- Payloads that were encrypted by a key that is not given.
    unreadable   bigint not null default 0,
    -- The last payload that was looked at; null: none yet.
    execution_id uuid,
    accepted_at  timestamptz,
    kind         text
);
