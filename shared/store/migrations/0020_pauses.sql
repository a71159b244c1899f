-- Pauses: the paused triggers accept calls, and no execution of them starts. A definition can be paused too; that is not here.
create table pauses (
    tenant         text not null,
    -- The pause of one connection, or of one trigger; both null: of the whole tenant.
    connection     text,
    integration_id uuid references integrations on delete cascade,
    -- For people; may be empty.
    reason         text not null,
    since          timestamptz not null default now(),
    -- Null: until somebody resumes it.
    until_at       timestamptz,
    paused_by      text not null,
    check (connection is null or integration_id is null)
);
create unique index pauses_target on pauses
    (tenant, coalesce(connection, ''), coalesce(integration_id, '00000000-0000-0000-0000-000000000000'));

-- Integrations whose calls waited outside the shared queues while they were paused: each has the queues paused.work.ID and
-- paused.call.ID. A row is never deleted before its integration, so that no message is left in a queue that nobody reads.
create table paused_queues (
    integration_id uuid primary key references integrations on delete cascade,
    opened_at      timestamptz not null default now()
);

-- True if the current version has `paused: true`.
alter table integrations add column paused boolean not null default false;

insert into snapshot_generations (part, generation) values ('pauses', 0);
