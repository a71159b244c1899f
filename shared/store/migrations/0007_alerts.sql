-- Who is told when something is wrong.

create table alert_rules (
    id            uuid primary key,
    tenant        text not null,
    name          text not null,
    document      json not null,
    enabled       boolean not null,
    -- Counts changes: two people who edit at once are told.
    revision      integer not null default 1,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now(),
    -- When it has to be looked at, and which scheduler does it until when.
    look_at       timestamptz not null default now(),
    claimed_by    uuid,
    claimed_until timestamptz,
    -- Messages so far, and when the last one, and the last one that only reminded, was written.
    number        bigint not null default 0,
    told_at       timestamptz,
    reminded_at   timestamptz,
    -- The message that has not arrived everywhere, the ways on which it has, and when it is tried again.
    pending       json,
    delivered     text[] not null default '{}',
    attempts      integer not null default 0,
    try_at        timestamptz,
    -- The last message that arrived everywhere; the last failure, until then.
    sent_at       timestamptz,
    error         text,
    error_at      timestamptz,
    unique (tenant, name)
) with (fillfactor = 70);
create index alert_rules_look on alert_rules (look_at) where enabled;

-- Where an alert stands, for each integration that it watches.
create table alert_states (
    rule_id        uuid not null references alert_rules on delete cascade,
    integration_id uuid not null references integrations on delete cascade,
    -- clear; raised; over: it was raised, and that it is no more has not been told.
    phase          text not null check (phase in ('clear', 'raised', 'over')),
    watched_since  timestamptz not null,
    -- Since when messages wait that no worker has in hand.
    waiting_since  timestamptz,
    -- When it was raised, since when its condition does not hold any more, when it was told, when it was over.
    raised_at      timestamptz,
    clear_since    timestamptz,
    told_at        timestamptz,
    over_at        timestamptz,
    -- How often it came back soon after it was over.
    flaps          integer not null,
    detail         text not null,
    primary key (rule_id, integration_id)
) with (fillfactor = 70);
create index alert_states_of_integration on alert_states (integration_id);

-- Of each integration of which a worker has messages in hand, since when the oldest is under way.
alter table workers add column oldest_integrations uuid[] not null default '{}';
alter table workers add column oldest_of_since timestamptz[] not null default '{}';
