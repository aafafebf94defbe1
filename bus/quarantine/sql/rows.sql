-- name: create
CREATE SCHEMA IF NOT EXISTS bus;
CREATE TABLE IF NOT EXISTS bus.quarantine (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    agency text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    stage text COLLATE "C" NOT NULL,
    path text NOT NULL,
    violations jsonb NOT NULL,
    rules text[] NOT NULL,
    catalogue bigint NOT NULL,
    record_id text COLLATE "C",
    key bytea,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    value bytea,
    appended_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    state text COLLATE "C" NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'released', 'resolved', 'discarded', 'superseded')),
    state_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
CREATE INDEX IF NOT EXISTS quarantine_open_by_cause
    ON bus.quarantine (agency, dataset, reason) WHERE state = 'open';
COMMENT ON TABLE bus.quarantine IS
    'Records set aside, by the place of the inbound record; key, headers and value are original bytes'

-- name: stage
CREATE TEMP TABLE IF NOT EXISTS arriving_quarantine
    (LIKE bus.quarantine INCLUDING DEFAULTS) ON COMMIT DELETE ROWS

-- name: copy
COPY arriving_quarantine (
    topic, partition, "offset", agency, dataset, reason, stage, path, violations, rules,
    catalogue, record_id, key, header_names, header_values, value, appended_at
) FROM STDIN (FORMAT BINARY)

-- name: insert
INSERT INTO bus.quarantine AS kept SELECT * FROM arriving_quarantine
ON CONFLICT (topic, partition, "offset") DO UPDATE
    SET reason = excluded.reason, stage = excluded.stage, path = excluded.path,
        violations = excluded.violations, rules = excluded.rules,
        catalogue = excluded.catalogue, state = 'open', state_at = excluded.state_at
    WHERE excluded.stage = 'fund' AND kept.stage <> 'fund'
RETURNING topic, partition, "offset"
