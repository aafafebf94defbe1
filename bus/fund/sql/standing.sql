-- name: tables
CREATE TABLE IF NOT EXISTS bus.standing_rows (
    view text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    number bigint NOT NULL CHECK (number > 0),
    version bigint,
    schema_id bigint NOT NULL,
    event_time text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL,
    bus_in text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    PRIMARY KEY (view, agency, key)
);
CREATE TABLE IF NOT EXISTS bus.standing_outbox (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    view text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    presence text COLLATE "C" NOT NULL,
    schema_id bigint NOT NULL,
    value bytea,
    event_time text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    system text COLLATE "C" NOT NULL,
    bus_in text COLLATE "C" NOT NULL,
    catalogue bigint NOT NULL,
    partition integer NOT NULL
);
CREATE TABLE IF NOT EXISTS bus.standing_progress (
    view text COLLATE "C" PRIMARY KEY,
    closes_ms bigint NOT NULL,
    agency text COLLATE "C" NOT NULL DEFAULT '',
    key text COLLATE "C" NOT NULL DEFAULT '',
    is_done boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE bus.standing_rows IS 'What each standing view told last of each registry entry';
COMMENT ON TABLE bus.standing_outbox IS 'Records of standing views that are still to be sent';
COMMENT ON TABLE bus.standing_progress IS 'How far the rows that stood already were told'

-- name: current_rows
SELECT wanted.agency, wanted.key, standing.version, standing.ceased_by IS NOT NULL,
    past.schema_id, past.value, past.event_time, past.lane, past.system, past.bus_in,
    past.accepted_partition
FROM unnest(%(agencies)b::text[], %(keys)b::text[]) AS wanted(agency, key)
JOIN {current} AS standing
    ON standing.agency = wanted.agency AND standing.key = wanted.key
JOIN {history} AS past
    ON past.agency = wanted.agency AND past.key = wanted.key AND past.version = standing.version

-- name: told_rows
SELECT told.view, told.agency, told.key, told.number, told.version, told.schema_id,
    told.event_time, told.lane, told.system, told.bus_in, told.partition
FROM unnest(%(views)b::text[]) AS named(view)
CROSS JOIN unnest(%(agencies)b::text[], %(keys)b::text[]) AS wanted(agency, key)
JOIN bus.standing_rows AS told
    ON told.view = named.view AND told.agency = wanted.agency AND told.key = wanted.key

-- name: note_told
-- A row is there exactly where something was told before, one number lower.
INSERT INTO bus.standing_rows AS told (
    view, agency, key, number, version, schema_id, event_time, lane, system, bus_in, partition
)
SELECT * FROM unnest(
    %(views)b::text[], %(agencies)b::text[], %(keys)b::text[], %(numbers)b::int8[],
    %(versions)b::int8[], %(schema_ids)b::int8[], %(event_times)b::text[], %(lanes)b::text[],
    %(systems)b::text[], %(bus_ins)b::text[], %(partitions)b::int4[]
)
ON CONFLICT (view, agency, key) DO UPDATE
SET number = excluded.number, version = excluded.version, schema_id = excluded.schema_id,
    event_time = excluded.event_time, lane = excluded.lane, system = excluded.system,
    bus_in = excluded.bus_in
WHERE told.number = excluded.number - 1

-- name: add_to_outbox
INSERT INTO bus.standing_outbox (
    view, agency, dataset, key, number, presence, schema_id, value, event_time, lane, system,
    bus_in, catalogue, partition
)
SELECT view, agency, %(dataset)s, key, number, presence, schema_id, value, event_time, lane,
    system, bus_in, %(catalogue)s, partition
FROM unnest(
    %(views)b::text[], %(agencies)b::text[], %(keys)b::text[], %(numbers)b::int8[],
    %(presences)b::text[], %(schema_ids)b::int8[], %(values)b::bytea[], %(event_times)b::text[],
    %(lanes)b::text[], %(systems)b::text[], %(bus_ins)b::text[], %(partitions)b::int4[]
) WITH ORDINALITY AS told(
    view, agency, key, number, presence, schema_id, value, event_time, lane, system, bus_in,
    partition, turn
)
ORDER BY turn

-- name: lock_outbox
SELECT pg_advisory_xact_lock(hashtextextended('bus standing outbox', 0))

-- name: outbox
SELECT place, view, agency, dataset, key, number, presence, schema_id, value, event_time, lane,
    system, bus_in, catalogue, partition
FROM (
    SELECT *, sum(coalesce(octet_length(value), 0)) OVER (ORDER BY place)
        - coalesce(octet_length(value), 0) AS bytes_before
    FROM (SELECT * FROM bus.standing_outbox ORDER BY place LIMIT %(limit)s) AS first
) AS measured
WHERE bytes_before < %(bytes)s
ORDER BY place

-- name: remove_from_outbox
DELETE FROM bus.standing_outbox WHERE place = ANY(%(places)b::int8[])

-- name: begin_progress
INSERT INTO bus.standing_progress AS kept (view, closes_ms) VALUES (%(view)s, %(closes_ms)s)
ON CONFLICT (view) DO UPDATE
SET closes_ms = excluded.closes_ms, agency = '', key = '', is_done = false
WHERE kept.closes_ms <> excluded.closes_ms

-- name: progress
SELECT agency, key, is_done FROM bus.standing_progress WHERE view = %(view)s

-- name: next_entries
(
    SELECT agency, key FROM {current}
    WHERE (agency, key) > (%(agency)s, %(key)s)
    ORDER BY agency, key LIMIT %(limit)s
)
UNION
(
    SELECT agency, key FROM bus.standing_rows
    WHERE view = %(view)s AND (agency, key) > (%(agency)s, %(key)s)
    ORDER BY agency, key LIMIT %(limit)s
)
ORDER BY agency, key LIMIT %(limit)s

-- name: move_progress
UPDATE bus.standing_progress SET agency = %(agency)s, key = %(key)s, is_done = %(is_done)s
WHERE view = %(view)s

-- name: has_progress
SELECT WHERE to_regclass('bus.standing_progress') IS NOT NULL

-- name: forget_progress
DELETE FROM bus.standing_progress WHERE view <> ALL(%(views)s::text[])
