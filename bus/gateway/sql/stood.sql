-- name: standing
SELECT agency, key, past.version, past.record_id, past.operation, past.supersedes,
    past.schema_id, past.value, past.event_time,
    (extract(epoch FROM past.appended_at) * 1000)::int8 AS appended_ms,
    past.system, past.lane, past.bus_in, past.catalogue, past.accepted_partition,
    past.accepted_offset, past.recorded_at, standing.ceased_by IS NULL AS stands
FROM {current} AS standing
JOIN {history} AS past USING (agency, key, version)
WHERE standing.agency = %(agency)s AND standing.key = %(key)s

-- name: found
SELECT agency, key, past.version, past.record_id, past.operation, past.supersedes,
    past.schema_id, past.value, past.event_time,
    (extract(epoch FROM past.appended_at) * 1000)::int8 AS appended_ms,
    past.system, past.lane, past.bus_in, past.catalogue, past.accepted_partition,
    past.accepted_offset, past.recorded_at, standing.ceased_by IS NULL AS stands
FROM {current} AS standing
JOIN {history} AS past USING (agency, key, version)
WHERE standing.agency = %(agency)s AND {condition}
ORDER BY agency, key
LIMIT %(limit)s

-- name: recorded
SELECT agency, key, past.version, past.record_id, past.operation, past.supersedes,
    past.schema_id, past.value, past.event_time,
    (extract(epoch FROM past.appended_at) * 1000)::int8 AS appended_ms,
    past.system, past.lane, past.bus_in, past.catalogue, past.accepted_partition,
    past.accepted_offset, past.recorded_at,
    standing.version IS NOT NULL AND standing.ceased_by IS NULL AS stands
FROM {history} AS past
LEFT JOIN {current} AS standing USING (agency, key, version)
WHERE past.record_id = ANY(%(record_ids)s)
ORDER BY agency, key, past.version
