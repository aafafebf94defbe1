-- name: history
SELECT record_id FROM {history}
UNION ALL
SELECT record_id FROM bus.erased_records WHERE dataset = %(dataset)s

-- name: held
SELECT record_id FROM bus.held

-- name: refused
SELECT record_id FROM bus.refusals

-- name: quarantined
SELECT topic, partition, "offset" FROM bus.quarantine

-- name: quarantine_positions
SELECT topic, partition, next_offset FROM bus.positions WHERE consumer = 'quarantine'
