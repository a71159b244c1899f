-- Figures of traffic in sums that a chart of any length reads in few rows. They change in the transaction that changes `traffic`, by
-- triggers, whichever program writes there, so that they are equal to the sums of it at any time.

-- No row is written between what is summed up here and what the triggers see.
lock table traffic in share row exclusive mode;

-- Of each integration by the hour.
create table traffic_hours (
    integration_id uuid not null,
    at             timestamptz not null,
    succeeded      integer not null,
    failed         integer not null,
    expired        integer not null,
    durations      integer[] not null,
    primary key (integration_id, at)
) with (fillfactor = 70);
create index traffic_hours_at on traffic_hours (at);

-- Of each tenant by the minute, five minutes, the hour and six hours.
create table traffic_of_tenants (
    -- How many minutes a row stands for, and when they begin.
    minutes   smallint not null,
    at        timestamptz not null,
    -- Empty: of integrations that are gone.
    tenant    text not null,
    succeeded integer not null,
    failed    integer not null,
    expired   integer not null,
    durations integer[] not null,
    primary key (minutes, at, tenant)
) with (fillfactor = 70);

-- Histograms, bucket by bucket: one plus another as often as is said. Written out: it is a third of the time of a loop.
create function durations_plus(one integer[], another integer[], times integer) returns integer[]
    language sql immutable parallel safe
    return array[
        one[1] + times * another[1], one[2] + times * another[2], one[3] + times * another[3], one[4] + times * another[4],
        one[5] + times * another[5], one[6] + times * another[6], one[7] + times * another[7], one[8] + times * another[8],
        one[9] + times * another[9], one[10] + times * another[10], one[11] + times * another[11], one[12] + times * another[12],
        one[13] + times * another[13], one[14] + times * another[14], one[15] + times * another[15], one[16] + times * another[16],
        one[17] + times * another[17], one[18] + times * another[18], one[19] + times * another[19], one[20] + times * another[20],
        one[21] + times * another[21], one[22] + times * another[22], one[23] + times * another[23], one[24] + times * another[24]];

create function add_traffic(changes traffic[]) returns void language plpgsql as $$
begin
    -- One after the other: what several workers add to at once they would else lock in different orders.
    perform pg_advisory_xact_lock(x'666f7265626174'::bigint);
    insert into traffic_hours as known (integration_id, at, succeeded, failed, expired, durations)
    select t.integration_id, date_trunc('hour', t.at, 'UTC'), sum(t.succeeded), sum(t.failed), sum(t.expired),
        array[sum(t.durations[1]), sum(t.durations[2]), sum(t.durations[3]), sum(t.durations[4]), sum(t.durations[5]), sum(t.durations[6]),
            sum(t.durations[7]), sum(t.durations[8]), sum(t.durations[9]), sum(t.durations[10]), sum(t.durations[11]), sum(t.durations[12]),
            sum(t.durations[13]), sum(t.durations[14]), sum(t.durations[15]), sum(t.durations[16]), sum(t.durations[17]), sum(t.durations[18]),
            sum(t.durations[19]), sum(t.durations[20]), sum(t.durations[21]), sum(t.durations[22]), sum(t.durations[23]), sum(t.durations[24])]
    from unnest(changes) as t group by 1, 2
    on conflict (integration_id, at) do update set succeeded = known.succeeded + excluded.succeeded,
        failed = known.failed + excluded.failed, expired = known.expired + excluded.expired,
        durations = durations_plus(known.durations, excluded.durations, 1);
    with by_minute as (
        select coalesce(i.tenant, '') as tenant, t.at, sum(t.succeeded) as succeeded, sum(t.failed) as failed, sum(t.expired) as expired,
            array[sum(t.durations[1]), sum(t.durations[2]), sum(t.durations[3]), sum(t.durations[4]), sum(t.durations[5]), sum(t.durations[6]),
                sum(t.durations[7]), sum(t.durations[8]), sum(t.durations[9]), sum(t.durations[10]), sum(t.durations[11]), sum(t.durations[12]),
                sum(t.durations[13]), sum(t.durations[14]), sum(t.durations[15]), sum(t.durations[16]), sum(t.durations[17]), sum(t.durations[18]),
                sum(t.durations[19]), sum(t.durations[20]), sum(t.durations[21]), sum(t.durations[22]), sum(t.durations[23]), sum(t.durations[24])] as durations
        from unnest(changes) as t left join integrations i on i.id = t.integration_id group by 1, 2)
    insert into traffic_of_tenants as known (minutes, at, tenant, succeeded, failed, expired, durations)
    select w.minutes, date_bin(w.minutes * interval '1 minute', t.at, 'epoch'), t.tenant, sum(t.succeeded), sum(t.failed), sum(t.expired),
        array[sum(t.durations[1]), sum(t.durations[2]), sum(t.durations[3]), sum(t.durations[4]), sum(t.durations[5]), sum(t.durations[6]),
            sum(t.durations[7]), sum(t.durations[8]), sum(t.durations[9]), sum(t.durations[10]), sum(t.durations[11]), sum(t.durations[12]),
            sum(t.durations[13]), sum(t.durations[14]), sum(t.durations[15]), sum(t.durations[16]), sum(t.durations[17]), sum(t.durations[18]),
            sum(t.durations[19]), sum(t.durations[20]), sum(t.durations[21]), sum(t.durations[22]), sum(t.durations[23]), sum(t.durations[24])]
    from by_minute t cross join unnest(array[1, 5, 60, 360]) as w (minutes) group by 1, 2, 3
    on conflict (minutes, at, tenant) do update set succeeded = known.succeeded + excluded.succeeded,
        failed = known.failed + excluded.failed, expired = known.expired + excluded.expired,
        durations = durations_plus(known.durations, excluded.durations, 1);
end $$;

create function traffic_inserted() returns trigger language plpgsql as $$
begin
    perform add_traffic(array(select row(a.*)::traffic from after a where a.worker <> '00000000-0000-0000-0000-000000000000'));
    return null;
end $$;

create function traffic_updated() returns trigger language plpgsql as $$
begin
    perform add_traffic(array(
        select row(a.integration_id, a.at, a.worker, a.succeeded - b.succeeded, a.failed - b.failed, a.expired - b.expired,
            durations_plus(a.durations, b.durations, -1))::traffic
        from after a join before b using (integration_id, at, worker)
        where a.worker <> '00000000-0000-0000-0000-000000000000'));
    return null;
end $$;

-- A program before this migration may still sum minutes up into rows of no worker: they are in the sums already.
create trigger inserted after insert on traffic
    referencing new table as after for each statement execute function traffic_inserted();
create trigger updated after update on traffic
    referencing old table as before new table as after for each statement execute function traffic_updated();

do $$
declare
    hour timestamptz;
begin
    for hour in select distinct date_trunc('hour', at, 'UTC') from traffic loop
        perform add_traffic(array(select t from traffic t where t.at >= hour and t.at < hour + interval '1 hour'));
    end loop;
end $$;
delete from traffic where worker = '00000000-0000-0000-0000-000000000000';
