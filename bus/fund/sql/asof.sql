-- name: clock
SELECT clock_timestamp()

-- name: writers
SELECT held.virtualtransaction
FROM pg_locks AS held
JOIN pg_database AS own ON own.oid = held.database AND own.datname = current_database()
WHERE held.locktype = 'relation' AND held.relation = 'bus.positions'::regclass
  AND held.mode = 'RowExclusiveLock' AND held.granted AND held.pid <> pg_backend_pid()

-- name: positions
SELECT partition, next_offset
FROM bus.positions
WHERE consumer = %(consumer)s AND topic = %(topic)s

-- name: all_positions
SELECT topic, partition, next_offset
FROM bus.positions
WHERE consumer = %(consumer)s

-- name: note_complete
INSERT INTO bus.watermarks (dataset, complete_before)
SELECT dataset, %(before)s FROM unnest(%(datasets)s::text[]) AS complete(dataset)
ON CONFLICT (dataset) DO UPDATE
SET complete_before = greatest(watermarks.complete_before, excluded.complete_before)

-- name: versions
SELECT agency, key, version, record_id, operation, supersedes, event_time
FROM {history}
WHERE (%(recorded)s::timestamptz IS NULL OR recorded_at <= %(recorded)s)
  AND (%(agency)s::text IS NULL OR agency = %(agency)s)
  AND (%(key)s::text IS NULL OR key = %(key)s)
  AND (agency, key) > (%(after_agency)s, %(after_key)s)
ORDER BY agency, key, version

-- name: values
SELECT past.agency, past.key, past.schema_id, past.value, past.recorded_at
FROM unnest(%(agencies)s::text[], %(keys)s::text[], %(versions)s::int8[])
    AS wanted(agency, key, version)
JOIN {history} AS past USING (agency, key, version)

-- name: held
SELECT dataset, agency, key, version, operation, record_id, supersedes, appended_ms, bus_in,
    bus_group
FROM bus.held
WHERE (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
ORDER BY appended_ms, dataset, agency, key, version
LIMIT %(limit)s
