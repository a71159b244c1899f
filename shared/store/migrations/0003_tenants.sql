-- What an operator sets for a whole tenant. A tenant without a row has every default.
create table tenants (
    name       text primary key,
    docs       text not null check (docs in ('open', 'key', 'off')),
    changed_at timestamptz not null default now(),
    changed_by text not null
);
insert into snapshot_generations (part, generation) values ('tenants', 0);
