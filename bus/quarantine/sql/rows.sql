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
    state text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (
        state IN ('open', 'releasing', 'released', 'resolved', 'discarded', 'superseded')
    ),
    state_at timestamptz NOT NULL DEFAULT now(),
    attempt integer NOT NULL DEFAULT 0,
    group_id text COLLATE "C",
    group_first bigint,
    told text COLLATE "C" DEFAULT 'open',
    PRIMARY KEY (topic, partition, "offset")
);
COMMENT ON COLUMN bus.quarantine.attempt IS 'How often it was released; an outcome names its own';
COMMENT ON COLUMN bus.quarantine.group_first IS 'Offset of the first member of its group';
COMMENT ON COLUMN bus.quarantine.told IS
    'State that the provider knows: by the quarantine topic, then by receipts; null: none yet';
CREATE INDEX IF NOT EXISTS quarantine_open_by_cause
    ON bus.quarantine (agency, dataset, reason) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS quarantine_undecided ON bus.quarantine (topic, partition, "offset")
    WHERE state IN ('open', 'releasing');
CREATE INDEX IF NOT EXISTS quarantine_untold ON bus.quarantine (state_at)
    WHERE told IS DISTINCT FROM state AND state <> 'releasing';
-- By hash: a key may be longer than an index of another kind takes.
CREATE INDEX IF NOT EXISTS quarantine_by_key ON bus.quarantine USING hash (key);
CREATE INDEX IF NOT EXISTS quarantine_by_record
    ON bus.quarantine (record_id) WHERE record_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS bus.quarantine_answers (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    bus_in text COLLATE "C" NOT NULL,
    appended_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition, "offset")
);
DO $$
BEGIN
    -- A table of an earlier bus; only then, for it locks out the workers.
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'bus.quarantine_answers'::regclass AND attname = 'appended_at'
          AND NOT attisdropped
    ) THEN
        ALTER TABLE bus.quarantine_answers ADD COLUMN appended_at timestamptz;
        UPDATE bus.quarantine_answers SET appended_at = recorded_at;
        ALTER TABLE bus.quarantine_answers ALTER COLUMN appended_at SET NOT NULL;
    END IF;
END $$;
CREATE TABLE IF NOT EXISTS bus.quarantine_decisions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('release', 'discard', 'reveal')),
    by_post text NOT NULL CHECK (by_post <> ''),
    second_post text CHECK (second_post <> by_post),
    because text NOT NULL CHECK (because <> ''),
    selection jsonb NOT NULL,
    catalogue bigint,
    decided_at timestamptz NOT NULL DEFAULT now(),
    CHECK (kind <> 'discard' OR second_post IS NOT NULL)
);
CREATE TABLE IF NOT EXISTS bus.quarantine_decided (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    decision bigint NOT NULL REFERENCES bus.quarantine_decisions,
    PRIMARY KEY (topic, partition, "offset", decision)
);
CREATE INDEX IF NOT EXISTS quarantine_decided_by_decision ON bus.quarantine_decided (decision);
CREATE OR REPLACE FUNCTION bus.refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION '% only grows', TG_TABLE_NAME; END $$;
CREATE OR REPLACE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON bus.quarantine_decisions FOR EACH STATEMENT EXECUTE FUNCTION bus.refuse_change();
CREATE OR REPLACE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE
    ON bus.quarantine_decided FOR EACH STATEMENT EXECUTE FUNCTION bus.refuse_change();
COMMENT ON TABLE bus.quarantine_answers IS
    'Quarantine ids that records of the fund name as answered (header bus_resolves)';
COMMENT ON TABLE bus.quarantine_decisions IS 'Who decided what about records set aside, and why';
COMMENT ON TABLE bus.quarantine_decided IS 'Which records a decision was about';
COMMENT ON TABLE bus.quarantine IS
    'Records set aside, by the place of the inbound record; key, headers and value are original bytes'

-- name: stage
CREATE TEMP TABLE IF NOT EXISTS arriving_quarantine
    (LIKE bus.quarantine INCLUDING DEFAULTS) ON COMMIT DELETE ROWS

-- name: copy
COPY arriving_quarantine (
    topic, partition, "offset", agency, dataset, reason, stage, path, violations, rules,
    catalogue, record_id, key, header_names, header_values, value, appended_at, attempt,
    group_id, group_first, told
) FROM STDIN (FORMAT BINARY)

-- name: empty_erased
-- Of an entry that was erased nothing is kept but that something came.
UPDATE arriving_quarantine AS arriving
SET key = NULL, header_names = '{{}}', header_values = '{{}}', value = NULL, state = 'discarded'
FROM bus.erased_entries AS erased
WHERE erased.dataset = arriving.dataset AND erased.agency = arriving.agency
  AND arriving.key = convert_to(erased.key, 'UTF8')

-- name: insert
INSERT INTO bus.quarantine AS kept SELECT * FROM arriving_quarantine
ON CONFLICT (topic, partition, "offset") DO UPDATE
    SET reason = excluded.reason, stage = excluded.stage, path = excluded.path,
        violations = excluded.violations, rules = excluded.rules,
        catalogue = excluded.catalogue, attempt = excluded.attempt,
        state = CASE WHEN kept.state IN ('resolved', 'discarded') THEN kept.state ELSE 'open' END,
        state_at = excluded.state_at,
        told = CASE WHEN excluded.told IS NULL THEN NULL ELSE kept.told END
    WHERE excluded.attempt > kept.attempt
       OR excluded.attempt = kept.attempt AND (
           kept.state IN ('releasing', 'released')
           OR excluded.stage = 'fund' AND kept.stage <> 'fund'
       )
RETURNING topic, partition, "offset"
