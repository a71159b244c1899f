-- Where the installation's messages travel: the exchange that marks its broker, what stands before the names of its queues, and the
-- number of shared queues of each kind. Null until the first service has registered them.
alter table installation
    add column broker_mark uuid,
    add column queue_prefix text,
    add column shared_queues integer check (shared_queues between 1 and 65535),
    add column registered_at timestamptz,
    add check (num_nulls(broker_mark, queue_prefix, shared_queues, registered_at) in (0, 4));
