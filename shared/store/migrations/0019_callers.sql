-- The API key that called; the outcome of the execution is for it. Null: no API key called (an open endpoint, a signed call, a
-- schedule, a person, another execution), or an older version recorded it. Not a reference: a key may be deleted.
alter table executions add caller uuid;
-- The same of the first call with an idempotency key: a key that a mapping makes may be that of calls with several API keys.
alter table idempotency_keys add caller uuid;

-- Keys that exist read the outcomes of all calls of their integrations, as before. New ones read those of their own calls. A signing key
-- reads none.
alter table api_keys add reads_all_outcomes boolean not null default true;
update api_keys set reads_all_outcomes = false where sealed is not null;
alter table api_keys alter reads_all_outcomes set default false;
