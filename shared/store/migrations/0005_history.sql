-- History that is searched by labels, payloads under a budget, diagnostics for a time, and figures of the present.

-- `name=value` each; null: it has none.
alter table executions add column labels text[];

-- What labels are searched for: each as it is, and as `=value` whatever its name. The cost is what a look at the index saves.
create function label_terms(labels text[]) returns text[]
    language sql immutable strict parallel safe cost 1000
    return (select array_agg(terms.term) from unnest(labels) as label,
                lateral (values (label), (substr(label, strpos(label, '=')))) as terms (term));

-- Each search reads the whole list of entries that are not sorted in yet, in every partition: it is kept short.
create index executions_labels on executions using gin (label_terms(labels)) with (gin_pending_list_limit = 128) where labels is not null;

-- Whose budget a payload counts against (null: it was written before there were any), and whether a retry by hand, or who repeats a
-- call, needs it.
alter table execution_payloads add column integration_id uuid;
alter table execution_payloads add column needed boolean not null default false;

-- Most bytes of payloads; null: as many as there are.
alter table tenants add column payload_bytes bigint check (payload_bytes >= 0);

-- What upkeep counted of days that are over, so that it does not count them again.
create table payload_usage (
    day            date not null,
    integration_id uuid not null,
    needed      boolean not null,
    bytes          bigint not null,
    primary key (day, integration_id, needed)
);

-- Integrations of which everything is recorded for a time.
create table diagnostics_windows (
    integration_id uuid primary key references integrations on delete cascade,
    until_at       timestamptz not null,
    since          timestamptz not null default now(),
    switched_by    text not null
);
insert into snapshot_generations (part, generation) values ('diagnostics', 0);

-- How many executions ended, and how long they took. Each worker writes rows of its own.
create table traffic (
    integration_id uuid not null,
    -- When the minute begins; the hour, where minutes were summed up.
    at             timestamptz not null,
    -- All zeros: summed up of all workers.
    worker         uuid not null,
    succeeded      integer not null,
    failed         integer not null,
    expired        integer not null,
    -- How many took at most 0.5 ms, 1 ms, 2 ms and so on.
    durations      integer[] not null,
    primary key (integration_id, at, worker)
) with (fillfactor = 70);
create index traffic_at on traffic (at);

-- Of each queue that a worker consumes, the acceptance of the oldest message that it has in hand.
alter table workers add column oldest_queues text[] not null default '{}';
alter table workers add column oldest_since timestamptz[] not null default '{}';
