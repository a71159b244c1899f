-- What a page shows once after a change, such as the text of a new key. It is encrypted under a key that only the browser of the person can
-- give, and deleted when it is read, or after minutes.
create table flashes (
    id uuid primary key,
    content bytea not null,
    sealed_by bytea not null,
    expires_at timestamptz not null
);
