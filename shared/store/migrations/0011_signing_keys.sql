-- A signing key is known to whom it checks: its text is kept, encrypted under FOREBAY_SECRET_KEY. Its digest is of nothing, so that it
-- opens nothing as an API key.
alter table api_keys
    add column sealed bytea,
    add column sealed_by bytea,
    add check ((sealed is null) = (sealed_by is null));
