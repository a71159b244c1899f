-- The place of each schedule: one row for each integration whose trigger is one. Written with its definition.
create table schedules (
    integration_id    uuid primary key references integrations on delete cascade,
    -- The timing as text: a definition that says the same keeps its place.
    timing            text not null,
    -- The earliest due time that has not been handled; null: there is none any more.
    next_due_at       timestamptz,
    -- When a scheduler has to look at it: the due time, later with jitter or after a failure.
    wake_at           timestamptz,
    last_due_at       timestamptz,
    last_execution_id uuid
) with (fillfactor = 50);
create index schedules_wake on schedules (wake_at) where wake_at is not null;
