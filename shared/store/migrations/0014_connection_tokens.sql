-- Access tokens that workers share: a server may end a client's earlier token when it gives a new one. Encrypted under FOREBAY_SECRET_KEY.
create table connection_tokens (
    tenant text not null,
    connection text not null,
    -- A keyed digest of everything that the token depends on: a changed connection has a row of its own.
    settings bytea not null,
    -- Counts the turns in which a token was fetched.
    turn bigint not null,
    -- Until when the turn is somebody's; null: nobody fetches.
    fetching_until timestamptz,
    sealed bytea,
    sealed_by bytea,
    usable_until timestamptz,
    -- The row is of no use after that.
    expires_at timestamptz not null,
    primary key (tenant, connection, settings),
    check ((sealed is null) = (sealed_by is null) and (sealed is null) = (usable_until is null))
);
create index on connection_tokens (expires_at);
