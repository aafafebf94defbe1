-- name: open
SELECT agency, dataset, reason, count(*), min(appended_at)
FROM bus.quarantine
WHERE state = 'open'
GROUP BY agency, dataset, reason
ORDER BY count(*) DESC, agency, dataset, reason

-- name: held
SELECT dataset, count(*), to_timestamp(min(appended_ms) / 1000.0)
FROM bus.held
GROUP BY dataset
ORDER BY dataset

-- name: funded
SELECT topic, sum(records)::int8, sum(history)::int8, sum(repeats)::int8, sum(refused)::int8,
    sum(held)::int8
FROM bus.fund_counters
GROUP BY topic
ORDER BY topic

-- name: quarantined
SELECT dataset, count(*)
FROM bus.quarantine
GROUP BY dataset
