-- name: kept
SELECT version, operation, recorded_at, bus_in, catalogue
FROM {history}
WHERE record_id = %(record_id)s AND agency = %(agency)s

-- name: held
SELECT FROM bus.held
WHERE dataset = %(dataset)s AND agency = %(agency)s AND record_id = %(record_id)s

-- name: set_aside
SELECT topic || '/' || partition || '/' || "offset", reason, path, violations, state, appended_at
FROM bus.quarantine
WHERE record_id = %(record_id)s AND topic = %(topic)s
ORDER BY appended_at DESC, "offset" DESC
LIMIT %(limit)s

-- name: position
SELECT next_offset FROM bus.positions
WHERE consumer = 'quarantine' AND topic = %(topic)s AND partition = %(partition)s
