-- Who may do what, and who did it.

create table users (
    id              uuid primary key,
    -- What is typed to sign in, in lower case.
    name            text not null unique,
    full_name       text not null,
    -- An argon2id digest in the PHC form. Null: signs in by OpenID Connect only.
    password        text,
    -- Issuer and subject of OpenID Connect, with a space between them.
    subject         text unique,
    enabled         boolean not null,
    -- Counts changes: two people who edit at once are told.
    revision        integer not null default 1,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    last_sign_in_at timestamptz
);

create table user_grants (
    user_id uuid not null references users on delete cascade,
    -- '*' is every tenant.
    tenant  text not null,
    role    text not null check (role in ('viewer', 'operator', 'developer', 'administrator')),
    primary key (user_id, tenant)
);

create table sessions (
    -- SHA-256 of the cookie. The cookie itself is stored nowhere.
    digest       bytea primary key check (length(digest) = 32),
    user_id      uuid not null references users on delete cascade,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at   timestamptz not null
);
create index sessions_of_user on sessions (user_id);

create table api_tokens (
    id           uuid primary key,
    user_id      uuid not null references users on delete cascade,
    label        text not null,
    -- SHA-256 of the token. The token itself is stored nowhere.
    digest       bytea not null unique check (length(digest) = 32),
    hint         text not null,
    role         text not null check (role in ('viewer', 'operator', 'developer', 'administrator')),
    tenants      text[] not null,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    last_used_at timestamptz
);
create index api_tokens_of_user on api_tokens (user_id);

-- Every change. Rows are never updated.
create table audit (
    id        bigint generated always as identity primary key,
    at        timestamptz not null default now(),
    -- user, token, host, system
    by_kind   text not null,
    by_name   text not null,
    by_user   uuid,
    -- Null: it belongs to the whole installation.
    tenant    text,
    action    text not null,
    target    text not null,
    before    json,
    after     json
);
create index audit_of_tenant on audit (tenant, id);
create index audit_of_target on audit (target, id);

alter table api_keys add column expires_at timestamptz, add column last_used_at timestamptz, add column revision integer not null default 1;
alter table connections add column revision integer not null default 1;
