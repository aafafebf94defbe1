-- name: current
SELECT entry.*, doubted.since AS doubted_since
FROM {current} AS entry
LEFT JOIN bus.doubted AS doubted ON doubted.record_id = entry.record_id
WHERE entry.agency = %(agency)s AND entry.key = %(key)s

-- name: history
SELECT entry.version, entry.record_id, entry.operation, entry.supersedes, entry.schema_id,
    entry.value, entry.event_time, entry.appended_at, entry.recorded_at, entry.system, entry.lane,
    entry.bus_in, entry.catalogue, entry.accepted_topic, entry.accepted_partition,
    entry.accepted_offset, doubted.since AS doubted_since
FROM {history} AS entry
LEFT JOIN bus.doubted AS doubted ON doubted.record_id = entry.record_id
WHERE entry.agency = %(agency)s AND entry.key = %(key)s
ORDER BY entry.version

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
FROM (
    SELECT accepted_topic, accepted_partition FROM {history}
    UNION ALL
    SELECT accepted_topic, accepted_partition FROM bus.erased_records WHERE dataset = %(dataset)s
) AS record
GROUP BY accepted_topic, accepted_partition

-- name: held_by_place
SELECT accepted_topic, accepted_partition, count(*)
FROM bus.held
GROUP BY accepted_topic, accepted_partition

-- name: refused_by_place
SELECT accepted_topic, accepted_partition, count(*)
FROM bus.refusals
GROUP BY accepted_topic, accepted_partition
