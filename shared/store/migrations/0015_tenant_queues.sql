-- Shared queues that belong to one tenant: it had a backlog on a queue that it shared. A number is never given to another tenant, and a
-- row is never deleted, so that no message is left in a queue that nobody reads.
create table tenant_queues (
    tenant text primary key,
    -- The number in `work.N`, `call.N` and `retry.D.N`.
    number integer not null unique check (number between 1000 and 65535),
    opened_at timestamptz not null default now()
);

insert into snapshot_generations (part, generation) values ('tenant_queues', 0);
