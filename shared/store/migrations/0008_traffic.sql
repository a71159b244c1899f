-- Figures of traffic in sums that a chart of any length reads in few rows. They change in the transaction that changes `traffic`, by
-- triggers, whichever program writes there, so that they are equal to the sums of it at any time.

-- No row is written between what is summed up here and what the triggers see.
lock table traffic in share row exclusive mode;

-- Of each integration by five minutes and the hour. d1 to d24 are the durations of `traffic`: columns are summed in a third of the time of a list.
create table traffic_of_integrations (
    integration_id uuid not null,
    -- How many minutes a row stands for, and when they begin.
    minutes        smallint not null,
    at             timestamptz not null,
    succeeded      integer not null,
    failed         integer not null,
    expired        integer not null,
    d1 integer not null, d2 integer not null, d3 integer not null, d4 integer not null, d5 integer not null, d6 integer not null,
    d7 integer not null, d8 integer not null, d9 integer not null, d10 integer not null, d11 integer not null, d12 integer not null,
    d13 integer not null, d14 integer not null, d15 integer not null, d16 integer not null, d17 integer not null, d18 integer not null,
    d19 integer not null, d20 integer not null, d21 integer not null, d22 integer not null, d23 integer not null, d24 integer not null,
    primary key (integration_id, minutes, at)
) with (fillfactor = 70);
create index traffic_of_integrations_at on traffic_of_integrations (minutes, at);

-- Of each tenant by the minute, five minutes, the hour and six hours.
create table traffic_of_tenants (
    minutes   smallint not null,
    at        timestamptz not null,
    -- Empty: of integrations that are gone.
    tenant    text not null,
    succeeded integer not null,
    failed    integer not null,
    expired   integer not null,
    d1 integer not null, d2 integer not null, d3 integer not null, d4 integer not null, d5 integer not null, d6 integer not null,
    d7 integer not null, d8 integer not null, d9 integer not null, d10 integer not null, d11 integer not null, d12 integer not null,
    d13 integer not null, d14 integer not null, d15 integer not null, d16 integer not null, d17 integer not null, d18 integer not null,
    d19 integer not null, d20 integer not null, d21 integer not null, d22 integer not null, d23 integer not null, d24 integer not null,
    primary key (minutes, at, tenant)
) with (fillfactor = 70);

create function add_traffic(changes traffic[]) returns void language plpgsql as $$
begin
    -- One after the other: what several workers add to at once they would else lock in different orders.
    perform pg_advisory_xact_lock(x'666f7265626174'::bigint);
    insert into traffic_of_integrations as known (integration_id, minutes, at, succeeded, failed, expired,
        d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d20, d21, d22, d23, d24)
    select t.integration_id, w.minutes, date_bin(w.minutes * interval '1 minute', t.at, 'epoch'), sum(t.succeeded), sum(t.failed), sum(t.expired),
        sum(t.durations[1]), sum(t.durations[2]), sum(t.durations[3]), sum(t.durations[4]), sum(t.durations[5]), sum(t.durations[6]),
        sum(t.durations[7]), sum(t.durations[8]), sum(t.durations[9]), sum(t.durations[10]), sum(t.durations[11]), sum(t.durations[12]),
        sum(t.durations[13]), sum(t.durations[14]), sum(t.durations[15]), sum(t.durations[16]), sum(t.durations[17]), sum(t.durations[18]),
        sum(t.durations[19]), sum(t.durations[20]), sum(t.durations[21]), sum(t.durations[22]), sum(t.durations[23]), sum(t.durations[24])
    from unnest(changes) as t cross join unnest(array[5, 60]) as w (minutes) group by 1, 2, 3
    on conflict (integration_id, minutes, at) do update set
        succeeded = known.succeeded + excluded.succeeded, failed = known.failed + excluded.failed, expired = known.expired + excluded.expired,
        d1 = known.d1 + excluded.d1, d2 = known.d2 + excluded.d2, d3 = known.d3 + excluded.d3, d4 = known.d4 + excluded.d4,
        d5 = known.d5 + excluded.d5, d6 = known.d6 + excluded.d6, d7 = known.d7 + excluded.d7, d8 = known.d8 + excluded.d8,
        d9 = known.d9 + excluded.d9, d10 = known.d10 + excluded.d10, d11 = known.d11 + excluded.d11, d12 = known.d12 + excluded.d12,
        d13 = known.d13 + excluded.d13, d14 = known.d14 + excluded.d14, d15 = known.d15 + excluded.d15, d16 = known.d16 + excluded.d16,
        d17 = known.d17 + excluded.d17, d18 = known.d18 + excluded.d18, d19 = known.d19 + excluded.d19, d20 = known.d20 + excluded.d20,
        d21 = known.d21 + excluded.d21, d22 = known.d22 + excluded.d22, d23 = known.d23 + excluded.d23, d24 = known.d24 + excluded.d24;
    with by_minute as (
        select coalesce(i.tenant, '') as tenant, t.at, sum(t.succeeded) as succeeded, sum(t.failed) as failed, sum(t.expired) as expired,
            sum(t.durations[1]) as d1, sum(t.durations[2]) as d2, sum(t.durations[3]) as d3, sum(t.durations[4]) as d4,
            sum(t.durations[5]) as d5, sum(t.durations[6]) as d6, sum(t.durations[7]) as d7, sum(t.durations[8]) as d8,
            sum(t.durations[9]) as d9, sum(t.durations[10]) as d10, sum(t.durations[11]) as d11, sum(t.durations[12]) as d12,
            sum(t.durations[13]) as d13, sum(t.durations[14]) as d14, sum(t.durations[15]) as d15, sum(t.durations[16]) as d16,
            sum(t.durations[17]) as d17, sum(t.durations[18]) as d18, sum(t.durations[19]) as d19, sum(t.durations[20]) as d20,
            sum(t.durations[21]) as d21, sum(t.durations[22]) as d22, sum(t.durations[23]) as d23, sum(t.durations[24]) as d24
        from unnest(changes) as t left join integrations i on i.id = t.integration_id group by 1, 2)
    insert into traffic_of_tenants as known (minutes, at, tenant, succeeded, failed, expired,
        d1, d2, d3, d4, d5, d6, d7, d8, d9, d10, d11, d12, d13, d14, d15, d16, d17, d18, d19, d20, d21, d22, d23, d24)
    select w.minutes, date_bin(w.minutes * interval '1 minute', t.at, 'epoch'), t.tenant, sum(t.succeeded), sum(t.failed), sum(t.expired),
        sum(t.d1), sum(t.d2), sum(t.d3), sum(t.d4), sum(t.d5), sum(t.d6), sum(t.d7), sum(t.d8), sum(t.d9), sum(t.d10), sum(t.d11), sum(t.d12),
        sum(t.d13), sum(t.d14), sum(t.d15), sum(t.d16), sum(t.d17), sum(t.d18), sum(t.d19), sum(t.d20), sum(t.d21), sum(t.d22), sum(t.d23), sum(t.d24)
    from by_minute t cross join unnest(array[1, 5, 60, 360]) as w (minutes) group by 1, 2, 3
    on conflict (minutes, at, tenant) do update set
        succeeded = known.succeeded + excluded.succeeded, failed = known.failed + excluded.failed, expired = known.expired + excluded.expired,
        d1 = known.d1 + excluded.d1, d2 = known.d2 + excluded.d2, d3 = known.d3 + excluded.d3, d4 = known.d4 + excluded.d4,
        d5 = known.d5 + excluded.d5, d6 = known.d6 + excluded.d6, d7 = known.d7 + excluded.d7, d8 = known.d8 + excluded.d8,
        d9 = known.d9 + excluded.d9, d10 = known.d10 + excluded.d10, d11 = known.d11 + excluded.d11, d12 = known.d12 + excluded.d12,
        d13 = known.d13 + excluded.d13, d14 = known.d14 + excluded.d14, d15 = known.d15 + excluded.d15, d16 = known.d16 + excluded.d16,
        d17 = known.d17 + excluded.d17, d18 = known.d18 + excluded.d18, d19 = known.d19 + excluded.d19, d20 = known.d20 + excluded.d20,
        d21 = known.d21 + excluded.d21, d22 = known.d22 + excluded.d22, d23 = known.d23 + excluded.d23, d24 = known.d24 + excluded.d24;
end $$;

create function traffic_inserted() returns trigger language plpgsql as $$
begin
    perform add_traffic(array(select row(a.*)::traffic from after a where a.worker <> '00000000-0000-0000-0000-000000000000'));
    return null;
end $$;

create function traffic_updated() returns trigger language plpgsql as $$
begin
    perform add_traffic(array(
        select row(a.integration_id, a.at, a.worker, a.succeeded - b.succeeded, a.failed - b.failed, a.expired - b.expired, array[
            a.durations[1] - b.durations[1], a.durations[2] - b.durations[2], a.durations[3] - b.durations[3], a.durations[4] - b.durations[4],
            a.durations[5] - b.durations[5], a.durations[6] - b.durations[6], a.durations[7] - b.durations[7], a.durations[8] - b.durations[8],
            a.durations[9] - b.durations[9], a.durations[10] - b.durations[10], a.durations[11] - b.durations[11], a.durations[12] - b.durations[12],
            a.durations[13] - b.durations[13], a.durations[14] - b.durations[14], a.durations[15] - b.durations[15], a.durations[16] - b.durations[16],
            a.durations[17] - b.durations[17], a.durations[18] - b.durations[18], a.durations[19] - b.durations[19], a.durations[20] - b.durations[20],
            a.durations[21] - b.durations[21], a.durations[22] - b.durations[22], a.durations[23] - b.durations[23], a.durations[24] - b.durations[24]])::traffic
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
