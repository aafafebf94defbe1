-- name: view
CREATE VIEW {object} WITH (security_barrier = true) AS {query}

-- name: function
CREATE FUNCTION {object}({parameters})
RETURNS TABLE ({columns})
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS {body}

-- name: body
DECLARE
    "bus complete" timestamptz := bus.complete_before({dataset}, $1, $2, $5);
BEGIN
    RETURN QUERY
    WITH stood AS (
        SELECT past.agency, past.key, bus.standing(
            past.version, past.record_id, past.operation, past.supersedes,
            $2 IS NULL OR past.event_time <= $2
            ORDER BY past.version DESC
        ) AS state
        FROM {history} AS past
        WHERE ($1 IS NULL OR past.recorded_at <= $1)
          AND ($3 IS NULL OR past.agency = $3)
          AND ($4 IS NULL OR past.key = $4)
        GROUP BY past.agency, past.key
    )
    {query};
END

-- name: rows_current
{current} AS standing

-- name: rows_current_and_record
{current} AS standing
JOIN {history} AS record
    ON record.agency = standing.agency AND record.key = standing.key
    AND record.version = standing.version

-- name: rows_history
{history} AS record
LEFT JOIN {current} AS standing
    ON standing.agency = record.agency AND standing.key = record.key
    AND standing.version = record.version
LEFT JOIN {past} AS gone
    ON gone.agency = record.agency AND gone.key = record.key AND gone.version = record.version

-- name: rows_stood
stood
JOIN {history} AS record
    ON record.agency = stood.agency AND record.key = stood.key
    AND record.version = stood.state[1]::bigint
LEFT JOIN {history} AS cease
    ON cease.agency = stood.agency AND cease.key = stood.key
    AND cease.version = stood.state[2]::bigint
LEFT JOIN {current} AS standing
    ON standing.agency = record.agency AND standing.key = record.key
    AND standing.version = record.version
LEFT JOIN {past} AS gone
    ON gone.agency = record.agency AND gone.key = record.key AND gone.version = record.version

-- name: plain
SELECT {columns} FROM {rows} WHERE {condition}

-- name: mixed
SELECT {columns} FROM (SELECT {inner} FROM {rows}) AS given WHERE {condition}
