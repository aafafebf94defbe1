-- name: causes
SELECT agency, dataset, reason, path, rules, count(*), min(appended_at), max(appended_at),
    (array_agg(topic || '/' || partition || '/' || "offset" ORDER BY appended_at DESC))[1]
FROM bus.quarantine
WHERE (%(agency)s::text IS NULL OR agency = %(agency)s)
  AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
GROUP BY agency, dataset, reason, path, rules
ORDER BY count(*) DESC, agency, dataset, reason, path, rules
LIMIT %(limit)s

-- name: show
SELECT agency, dataset, reason, path, violations, catalogue, record_id, appended_at,
    recorded_at, state, state_at, attempt
FROM bus.quarantine
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s

-- name: original
SELECT key, header_names, header_values, value
FROM bus.quarantine
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
