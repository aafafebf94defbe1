-- name: current
SELECT * FROM {current} WHERE agency = %(agency)s AND key = %(key)s

-- name: history
SELECT version, record_id, operation, supersedes, schema_id, value, event_time, appended_at,
    recorded_at, system, lane, bus_in, catalogue, accepted_topic, accepted_partition,
    accepted_offset
FROM {history}
WHERE agency = %(agency)s AND key = %(key)s
ORDER BY version

-- name: count
SELECT (SELECT count(*) FROM {history}) AS history, (SELECT count(*) FROM {current}) AS current

-- name: counters
SELECT topic, partition, position.first_offset, position.next_offset, counted.records,
    counted.history, counted.repeats, counted.refused, counted.held
FROM bus.positions AS position
JOIN bus.fund_counters AS counted USING (topic, partition)
WHERE position.consumer = %(consumer)s
ORDER BY topic, partition

-- name: rows_by_place
SELECT accepted_topic, accepted_partition, count(*)
FROM {history}
GROUP BY accepted_topic, accepted_partition

-- name: held_by_place
SELECT accepted_topic, accepted_partition, count(*)
FROM bus.held
GROUP BY accepted_topic, accepted_partition

-- name: refused_by_place
SELECT accepted_topic, accepted_partition, count(*)
FROM bus.refusals
GROUP BY accepted_topic, accepted_partition
