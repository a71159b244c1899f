-- A key that people have pasted may be short enough to be guessed from its digest. From now on its digest is an HMAC under this key of the
-- installation, which is encrypted under FOREBAY_SECRET_KEY: who has the database alone can guess nothing. Older digests stay (SHA-256).
alter table installation
    add column digest_key    bytea,
    add column digest_key_by bytea,
    add check ((digest_key is null) = (digest_key_by is null));

-- That another tenant has a key of the same value is nobody's business.
alter table api_keys drop constraint api_keys_digest_key, add unique (tenant, digest);
create index api_keys_digest on api_keys (digest);
