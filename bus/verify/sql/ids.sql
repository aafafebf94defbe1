-- name: history
SELECT record_id FROM {history}

-- name: held
SELECT record_id FROM bus.held

-- name: refused
SELECT record_id FROM bus.refusals

-- name: quarantined
SELECT topic, partition, "offset" FROM bus.quarantine

-- name: quarantine_positions
SELECT topic, partition, next_offset FROM bus.positions WHERE consumer = 'quarantine'
