-- The address of the client from which a change, or an attempt to sign in, came. Null: not by HTTP, or of an older version.
alter table audit add column client_address text;
create index audit_at on audit (at);
