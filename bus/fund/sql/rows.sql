-- name: copy_history
COPY {history} (
    agency, key, version, record_id, operation, supersedes, schema_id, value, event_time,
    appended_at, system, lane, bus_in, catalogue, accepted_topic, accepted_partition,
    accepted_offset
) FROM STDIN (FORMAT BINARY)

-- name: copy_held
COPY bus.held (
    dataset, agency, key, version, record_id, operation, supersedes, schema_id, value, event_time,
    appended_ms, system, lane, bus_in, catalogue, accepted_topic, accepted_partition,
    accepted_offset, header_names, header_values, bus_group, group_offset
) FROM STDIN (FORMAT BINARY)

-- name: join_held
WITH gone AS (
    DELETE FROM bus.held
    USING unnest(
        %(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[],
        %(event_times)b::timestamptz[]
    ) AS wanted(agency, key, version, event_at)
    WHERE held.agency = wanted.agency AND held.key = wanted.key AND held.version = wanted.version
      AND held.dataset = %(dataset)s
    RETURNING held.*, wanted.event_at
)
INSERT INTO {history} (
    agency, key, version, record_id, operation, supersedes, schema_id, value, event_time,
    appended_at, system, lane, bus_in, catalogue, accepted_topic, accepted_partition,
    accepted_offset
)
SELECT agency, key, version, record_id, operation, supersedes, schema_id, value, event_at,
    'epoch'::timestamptz + appended_ms * interval '1 millisecond', system, lane, bus_in,
    catalogue, accepted_topic, accepted_partition, accepted_offset
FROM gone

-- name: held_resolutions
SELECT held.agency, held.record_id, held.bus_in, held.appended_ms, header.value
FROM unnest(%(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[])
    AS wanted(agency, key, version)
JOIN bus.held USING (agency, key, version)
CROSS JOIN LATERAL unnest(held.header_names, held.header_values) AS header(name, value)
WHERE held.dataset = %(dataset)s AND header.name = 'bus_resolves'::bytea

-- name: keep_values
-- A version that stands again was kept when it first gave way.
INSERT INTO {past}
SELECT standing.*
FROM {current} AS standing
JOIN unnest(%(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[])
    AS gone(agency, key, version) USING (agency, key, version)
ON CONFLICT DO NOTHING

-- name: copy_past
COPY {past} (
    agency, key, version, record_id, operation, event_time{columns}
) FROM STDIN (FORMAT BINARY)

-- name: remove_current
DELETE FROM {current} AS standing
USING unnest(%(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[])
    AS gone(agency, key, version)
WHERE standing.agency = gone.agency AND standing.key = gone.key
  AND standing.version = gone.version

-- name: copy_current
COPY {current} (
    agency, key, version, record_id, operation, event_time, ceased_by{columns}
) FROM STDIN (FORMAT BINARY)

-- name: uncovered
SELECT past.agency, past.key, past.version, past.record_id, past.operation, past.event_time,
    past.schema_id, past.value
FROM unnest(%(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[])
    AS wanted(agency, key, version)
JOIN {history} AS past USING (agency, key, version)

-- name: sizes
SELECT past.agency, past.key, past.version, octet_length(past.value)
FROM unnest(%(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[])
    AS wanted(agency, key, version)
JOIN {history} AS past USING (agency, key, version)

-- name: close_valid_time
UPDATE {current} AS standing
SET ceased_at = cease.event_time
FROM unnest(%(agencies)b::text[], %(keys)b::text[]) AS wanted(agency, key), {history} AS cease
WHERE standing.agency = wanted.agency AND standing.key = wanted.key
  AND cease.agency = wanted.agency AND cease.key = wanted.key
  AND cease.version = standing.ceased_by

-- name: add_refusals
INSERT INTO bus.refusals (
    quarantine_id, agency, dataset, reason, record_id, catalogue,
    accepted_topic, accepted_partition, accepted_offset
)
SELECT * FROM unnest(
    %(quarantine_ids)b::text[], %(agencies)b::text[], %(datasets)b::text[], %(reasons)b::text[],
    %(record_ids)b::text[], %(catalogues)b::int8[],
    %(topics)b::text[], %(partitions)b::int4[], %(offsets)b::int8[]
)

-- name: open_counters
INSERT INTO bus.fund_counters (topic, partition, records, history, repeats, refused, held)
SELECT topic, partition, 0, 0, 0, 0, 0
FROM unnest(%(topics)b::text[], %(partitions)b::int4[]) AS wanted(topic, partition)
ON CONFLICT DO NOTHING

-- name: count
UPDATE bus.fund_counters AS kept
SET records = kept.records + change.records,
    history = kept.history + change.history,
    repeats = kept.repeats + change.repeats,
    refused = kept.refused + change.refused,
    held = kept.held + change.held
FROM unnest(
    %(topics)b::text[], %(partitions)b::int4[], %(records)b::int8[], %(history)b::int8[],
    %(repeats)b::int8[], %(refused)b::int8[], %(held)b::int8[]
) AS change(topic, partition, records, history, repeats, refused, held)
WHERE kept.topic = change.topic AND kept.partition = change.partition

-- name: old_held_datasets
SELECT DISTINCT dataset FROM bus.held
WHERE appended_ms < (extract(epoch FROM now() - %(older_than)s::interval) * 1000)::int8
ORDER BY dataset

-- name: old_held
WITH old AS (
    SELECT agency, key, version, dataset, accepted_topic, accepted_partition, group_offset
    FROM bus.held
    WHERE appended_ms < (extract(epoch FROM now() - %(older_than)s::interval) * 1000)::int8
    ORDER BY appended_ms
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
DELETE FROM bus.held
WHERE (agency, key, version, dataset) IN (SELECT agency, key, version, dataset FROM old)
   OR (accepted_topic, accepted_partition, group_offset) IN (
       SELECT accepted_topic, accepted_partition, group_offset FROM old
       WHERE group_offset IS NOT NULL
   )
RETURNING dataset, agency, key, version, record_id, operation, supersedes, schema_id, value,
    event_time, appended_ms, system, lane, bus_in, catalogue, accepted_topic,
    accepted_partition, accepted_offset, header_names, header_values, bus_group

-- name: untold
SELECT number, quarantine_id, agency, dataset, reason, record_id, catalogue
FROM bus.refusals
WHERE told_at IS NULL
ORDER BY number
LIMIT %(limit)s

-- name: told
UPDATE bus.refusals SET told_at = now() WHERE number = ANY(%(numbers)s) AND told_at IS NULL
