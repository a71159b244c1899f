-- What a listing says of a trigger, beside the document: reading 10,000 documents for it takes half a second. A program before this
-- migration leaves both null, and then the document is read.
alter table integration_versions
    -- 'webhook' or 'schedule'.
    add trigger_kind text,
    -- How calls are handed to workers: 'lane', 'serial', 'by key (N)' or 'parallel N'.
    add delivery text;

update integration_versions set
    trigger_kind = case when document -> 'trigger' -> 'schedule' is null then 'webhook' else 'schedule' end,
    delivery = case
        when document -> 'trigger' -> 'schedule' ->> 'ordered' = 'true' then 'serial'
        when document -> 'trigger' -> 'webhook' ->> 'ordered' = 'true' then 'serial'
        when document -> 'trigger' -> 'webhook' -> 'ordered' -> 'by' is not null
            then 'by key (' || coalesce(document -> 'trigger' -> 'webhook' -> 'ordered' ->> 'concurrency', '16') || ')'
        when document -> 'trigger' -> 'webhook' -> 'concurrency' is not null
            then 'parallel ' || (document -> 'trigger' -> 'webhook' ->> 'concurrency')
        else 'lane'
    end
where json_typeof(document -> 'trigger') = 'object';
