-- name: touched
SELECT wanted.number, standing.version, standing.ceased_by, waiting.is_held, waiting.is_erased,
    past.version, past.record_id, past.operation, past.supersedes, past.schema_id,
    sha256(substring(past.value FROM 6)),
    CASE WHEN past.schema_id <> wanted.schema_id THEN past.value END
FROM unnest(
    %(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[], %(schema_ids)b::int8[]
) WITH ORDINALITY AS wanted(agency, key, version, schema_id, number)
LEFT JOIN {current} AS standing
    ON standing.agency = wanted.agency AND standing.key = wanted.key
LEFT JOIN {history} AS past
    ON past.agency = wanted.agency AND past.key = wanted.key AND past.version = wanted.version
-- Asked once: few datasets ever have an entry erased, and then no record is looked up.
CROSS JOIN (
    SELECT EXISTS (SELECT FROM bus.erased_entries WHERE dataset = %(dataset)s) AS are_there
) AS erasures
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM bus.held
        WHERE held.agency = wanted.agency AND held.key = wanted.key
          AND held.dataset = %(dataset)s
    ) AS is_held,
    CASE WHEN erasures.are_there THEN EXISTS (
        SELECT FROM bus.erased_entries AS erased
        WHERE erased.dataset = %(dataset)s AND erased.agency = wanted.agency
          AND erased.key = wanted.key
    ) ELSE false END AS is_erased
) AS waiting
WHERE standing.version IS NOT NULL OR past.version IS NOT NULL OR waiting.is_held
    OR waiting.is_erased

-- name: held
SELECT wanted.number, held.version, held.record_id, held.operation, held.supersedes,
    held.schema_id, held.event_time, held.accepted_topic, held.accepted_partition,
    held.group_offset
FROM unnest(%(agencies)b::text[], %(keys)b::text[])
    WITH ORDINALITY AS wanted(agency, key, number)
JOIN bus.held USING (agency, key)
WHERE held.dataset = %(dataset)s
FOR UPDATE OF held

-- name: claimed_held
SELECT wanted.number, sha256(substring(held.value FROM 6)),
    CASE WHEN held.schema_id <> wanted.schema_id THEN held.value END
FROM unnest(
    %(agencies)b::text[], %(keys)b::text[], %(versions)b::int8[], %(schema_ids)b::int8[]
) WITH ORDINALITY AS wanted(agency, key, version, schema_id, number)
JOIN bus.held USING (agency, key, version)
WHERE held.dataset = %(dataset)s

-- name: companions
SELECT held.agency, held.key, held.version, held.schema_id
FROM unnest(%(topics)b::text[], %(partitions)b::int4[], %(group_offsets)b::int8[])
    AS wanted(topic, partition, group_offset)
JOIN bus.held
    ON held.accepted_topic = wanted.topic AND held.accepted_partition = wanted.partition
    AND held.group_offset = wanted.group_offset
WHERE held.dataset = %(dataset)s

-- name: superseded
SELECT wanted.number, past.version, past.record_id, past.operation, past.supersedes,
    past.schema_id, ''::bytea, NULL::bytea
FROM unnest(%(agencies)b::text[], %(keys)b::text[], %(record_ids)b::text[])
    WITH ORDINALITY AS wanted(agency, key, record_id, number)
JOIN {history} AS past USING (record_id)
WHERE past.agency = wanted.agency AND past.key = wanted.key

-- name: whole
SELECT wanted.number, past.version, past.record_id, past.operation, past.supersedes,
    past.schema_id, ''::bytea, NULL::bytea
FROM unnest(%(agencies)b::text[], %(keys)b::text[])
    WITH ORDINALITY AS wanted(agency, key, number)
JOIN {history} AS past USING (agency, key)

-- name: known
SELECT record_id FROM {history} WHERE record_id = ANY(%(record_ids)s)

-- name: lock_shared
-- The wait is longer than for rows: whoever is in front may be many, and one that froze is ended by
-- PostgreSQL after 3 s, or in the middle of a COPY by its successor after some 8 s.
WITH waiting AS MATERIALIZED (SELECT set_config('lock_timeout', '12s', true))
SELECT pg_advisory_xact_lock_shared(hashtextextended('bus groups ' || %(dataset)s, 0)) FROM waiting

-- name: lock_alone
WITH waiting AS MATERIALIZED (SELECT set_config('lock_timeout', '12s', true))
SELECT pg_advisory_xact_lock(hashtextextended('bus groups ' || %(dataset)s, 0)) FROM waiting

-- name: erased_records
SELECT record_id FROM bus.erased_records WHERE record_id = ANY(%(record_ids)s)
