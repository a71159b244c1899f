-- The trace (W3C Trace Context) that an execution belongs to. Null: of none that is kept anywhere.
alter table executions add trace uuid;
