-- name: states
SELECT state, count(*) FROM bus.quarantine GROUP BY state

-- name: rules
SELECT DISTINCT dataset, unnest(rules) FROM bus.quarantine

-- name: operations
SELECT operation, count(*) FROM {history} GROUP BY operation
