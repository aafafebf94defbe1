-- name: touched
SELECT wanted.number, standing.version, standing.ceased_by, waiting.is_held,
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
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT FROM bus.held
        WHERE held.agency = wanted.agency AND held.key = wanted.key
          AND held.dataset = %(dataset)s
    ) AS is_held
) AS waiting
WHERE standing.version IS NOT NULL OR past.version IS NOT NULL OR waiting.is_held

-- name: held
SELECT wanted.number, held.agency, held.key, held.version, held.record_id, held.operation,
    held.supersedes, held.schema_id, held.value, held.event_time, held.appended_ms, held.system,
    held.lane, held.bus_in, held.catalogue, held.accepted_topic, held.accepted_partition,
    held.accepted_offset, held.header_names, held.header_values
FROM unnest(%(agencies)b::text[], %(keys)b::text[])
    WITH ORDINALITY AS wanted(agency, key, number)
JOIN bus.held USING (agency, key)
WHERE held.dataset = %(dataset)s
FOR UPDATE OF held

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
