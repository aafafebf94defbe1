-- name: standing
SELECT version FROM {current}
WHERE agency = %(agency)s AND key = %(key)s AND ceased_by IS NULL

-- name: waiting
-- What will be written into the fund, or told of it, after this.
SELECT 'held' FROM bus.held
WHERE dataset = %(dataset)s AND agency = %(agency)s AND key = %(key)s
UNION ALL
SELECT 'untold' FROM bus.standing_outbox
WHERE dataset = %(dataset)s AND agency = %(agency)s AND key = %(key)s
LIMIT 1

-- name: are_erased
SELECT key FROM bus.erased_entries
WHERE dataset = %(dataset)s AND agency = %(agency)s AND key = ANY(%(keys)s)

-- name: note_erased
INSERT INTO bus.erased_entries (dataset, agency, key)
VALUES (%(dataset)s, %(agency)s, %(key)s)
ON CONFLICT DO NOTHING

-- name: take_history
WITH gone AS (
    DELETE FROM {history}
    WHERE agency = %(agency)s AND key = %(key)s
    RETURNING record_id, accepted_topic, accepted_partition, accepted_offset
)
INSERT INTO bus.erased_records (
    record_id, dataset, agency, key, accepted_topic, accepted_partition, accepted_offset
)
SELECT record_id, %(dataset)s, %(agency)s, %(key)s, accepted_topic, accepted_partition,
    accepted_offset
FROM gone

-- name: take_past
DELETE FROM {past} WHERE agency = %(agency)s AND key = %(key)s

-- name: take_current
DELETE FROM {current} WHERE agency = %(agency)s AND key = %(key)s

-- name: record_ids
SELECT record_id FROM bus.erased_records
WHERE dataset = %(dataset)s AND agency = %(agency)s AND key = %(key)s
