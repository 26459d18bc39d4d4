-- Events go into a table for each month (UTC): what has been kept long enough is dropped with its table.

-- Makes the table of the month of this moment, if there is none. What had come for it before, and waits in the default table, moves there.
CREATE FUNCTION events_month(moment timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', moment AT TIME ZONE 'UTC')::date;
    name text := 'events_' || to_char(month, 'YYYY_MM');
    first bigint := extract(epoch FROM month)::bigint * 1000;
    beyond bigint := extract(epoch FROM (month + interval '1 month'))::bigint * 1000;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('matrix-2fa events_month'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    LOCK TABLE events_other IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS)', name);
    EXECUTE format(
        'WITH moved AS (DELETE FROM events_other WHERE at >= %s AND at < %s RETURNING at, seq, user_id, event)
         INSERT INTO %I (at, seq, user_id, event) SELECT at, seq, user_id, event FROM moved', first, beyond, name);
    EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, first, beyond);
END
$$;

-- What was there before this month stays where it lies, and becomes the table of everything before.
DO $$
DECLARE
    first bigint := extract(epoch FROM date_trunc('month', now() AT TIME ZONE 'UTC'))::bigint * 1000;
BEGIN
    ALTER TABLE events DETACH PARTITION events_other;
    ALTER TABLE events_other RENAME TO events_before;
    CREATE TABLE events_other PARTITION OF events DEFAULT;
    PERFORM events_month(now());
    WITH moved AS (DELETE FROM events_before WHERE at >= first RETURNING at, seq, user_id, event)
    INSERT INTO events (at, seq, user_id, event) SELECT at, seq, user_id, event FROM moved;
    IF EXISTS (SELECT FROM events_before) THEN
        EXECUTE format('ALTER TABLE events ATTACH PARTITION events_before FOR VALUES FROM (MINVALUE) TO (%s)', first);
    ELSE
        DROP TABLE events_before;
    END IF;
END
$$;
