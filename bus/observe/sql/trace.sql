-- name: kept
SELECT agency, version, event_time, appended_at, recorded_at, system, lane, bus_in, catalogue,
    accepted_topic, accepted_partition, accepted_offset
FROM {history}
WHERE record_id = %(record_id)s

-- name: waiting
SELECT dataset, agency, version, event_time,
    'epoch'::timestamptz + appended_ms * interval '1 millisecond', held_at, system, lane, bus_in, catalogue, accepted_topic, accepted_partition, accepted_offset
FROM bus.held
WHERE record_id = %(record_id)s

-- name: set_aside
SELECT topic || '/' || partition || '/' || "offset", reason, state, appended_at
FROM bus.quarantine
WHERE record_id = %(record_id)s
ORDER BY appended_at, "offset"
