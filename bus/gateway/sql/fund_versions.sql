-- name: page
SELECT agency, key, version, record_id, operation, supersedes, schema_id, value, event_time,
    appended_ms, system, lane, bus_in, catalogue, accepted_partition, accepted_offset
FROM (
    SELECT *, sum(octet_length(value)) OVER (ORDER BY agency, key, version)
        - octet_length(value) AS bytes_before
    FROM (
        (
            SELECT agency, key, version, record_id, operation, supersedes, schema_id, value,
                event_time, (extract(epoch FROM appended_at) * 1000)::int8 AS appended_ms,
                system, lane, bus_in, catalogue, accepted_partition, accepted_offset
            FROM {history}
            WHERE (agency, key, version) > (%(agency)s, %(key)s, %(version)s)
              AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
            ORDER BY agency, key, version
            LIMIT %(limit)s
        )
        UNION ALL
        (
            SELECT agency, key, version, record_id, operation, supersedes, schema_id, value,
                event_time::timestamptz, appended_ms, system, lane, bus_in, catalogue,
                accepted_partition, accepted_offset
            FROM bus.held
            WHERE (agency, key, version) > (%(agency)s, %(key)s, %(version)s)
              AND dataset = %(dataset)s
              AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
            ORDER BY agency, key, version
            LIMIT %(limit)s
        )
        ORDER BY agency, key, version
        LIMIT %(limit)s
    ) AS found
) AS measured
WHERE bytes_before < %(bytes)s
ORDER BY agency, key, version

-- name: positions
SELECT partition, next_offset
FROM bus.positions
WHERE consumer = %(consumer)s AND topic = %(topic)s

-- name: begun
SELECT partition, next_offset, NULL::text, NULL::text[]
FROM bus.positions
WHERE consumer = %(consumer)s AND topic = %(topic)s
UNION ALL
SELECT accepted_partition, NULL, min(bus_group), array_agg(record_id ORDER BY accepted_offset)
FROM bus.held
WHERE dataset = %(dataset)s AND accepted_topic = %(topic)s AND group_offset IS NOT NULL
GROUP BY accepted_partition, group_offset

-- name: together
SELECT agency, key, version, record_id, operation, supersedes, schema_id, value, event_time,
    (extract(epoch FROM appended_at) * 1000)::int8 AS appended_ms,
    system, lane, bus_in, catalogue, accepted_partition, accepted_offset
FROM {history}
WHERE record_id = ANY(%(record_ids)s)
  AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
UNION ALL
SELECT agency, key, version, record_id, operation, supersedes, schema_id, value,
    event_time::timestamptz, appended_ms, system, lane, bus_in, catalogue, accepted_partition,
    accepted_offset
FROM bus.held
WHERE record_id = ANY(%(record_ids)s) AND dataset = %(dataset)s AND group_offset IS NOT NULL
  AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
ORDER BY accepted_partition, accepted_offset

-- name: contained
SELECT record_id FROM {history}
WHERE record_id = ANY(%(record_ids)s)
  AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
UNION ALL
SELECT record_id FROM bus.erased_records
WHERE dataset = %(dataset)s AND record_id = ANY(%(record_ids)s)
  AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
UNION ALL
SELECT record_id FROM bus.held
WHERE dataset = %(dataset)s AND record_id = ANY(%(record_ids)s)
  AND accepted_offset < (%(positions)s::int8[])[accepted_partition + 1]
