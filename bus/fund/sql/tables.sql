-- name: bus
CREATE SCHEMA IF NOT EXISTS bus;
CREATE SCHEMA IF NOT EXISTS history;
CREATE SCHEMA IF NOT EXISTS current;
CREATE SCHEMA IF NOT EXISTS past;
CREATE TABLE IF NOT EXISTS bus.watermarks (
    dataset text COLLATE "C" PRIMARY KEY,
    complete_before timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS bus.fund_counters (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    records bigint NOT NULL,
    history bigint NOT NULL,
    repeats bigint NOT NULL,
    refused bigint NOT NULL,
    held bigint NOT NULL CHECK (held >= 0),
    PRIMARY KEY (topic, partition),
    CONSTRAINT conservation_law CHECK (records = history + repeats + refused + held)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bus.held (
    dataset text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    supersedes text COLLATE "C",
    schema_id bigint NOT NULL,
    value bytea NOT NULL,
    event_time text NOT NULL,
    appended_ms bigint NOT NULL,
    system text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    bus_in text COLLATE "C" NOT NULL,
    catalogue bigint NOT NULL,
    accepted_topic text COLLATE "C" NOT NULL,
    accepted_partition integer NOT NULL,
    accepted_offset bigint NOT NULL,
    header_names bytea[] NOT NULL,
    header_values bytea[] NOT NULL,
    held_at timestamptz NOT NULL DEFAULT now(),
    bus_group text COLLATE "C",
    group_offset bigint,
    PRIMARY KEY (agency, key, version, dataset)
);
DO $$
BEGIN
    -- A table of an earlier bus; only then, for it locks out the workers.
    IF NOT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = 'bus.held'::regclass AND attname = 'group_offset' AND NOT attisdropped
    ) THEN
        ALTER TABLE bus.held ADD COLUMN bus_group text COLLATE "C";
        ALTER TABLE bus.held ADD COLUMN group_offset bigint;
        ALTER TABLE bus.held ALTER COLUMN supersedes DROP NOT NULL;
    END IF;
END $$;
CREATE INDEX IF NOT EXISTS held_by_group
    ON bus.held (accepted_topic, accepted_partition, group_offset) WHERE group_offset IS NOT NULL;
CREATE INDEX IF NOT EXISTS held_by_age ON bus.held (appended_ms);
CREATE TABLE IF NOT EXISTS bus.refusals (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarantine_id text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    catalogue bigint NOT NULL,
    accepted_topic text COLLATE "C" NOT NULL,
    accepted_partition integer NOT NULL,
    accepted_offset bigint NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz
);
CREATE INDEX IF NOT EXISTS refusals_untold ON bus.refusals (number) WHERE told_at IS NULL;
CREATE TABLE IF NOT EXISTS bus.doubted (
    record_id text COLLATE "C" PRIMARY KEY,
    agency text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    doubted_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS bus.erased_entries (
    dataset text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dataset, agency, key)
);
CREATE TABLE IF NOT EXISTS bus.erased_records (
    record_id text COLLATE "C" PRIMARY KEY,
    dataset text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    accepted_topic text COLLATE "C" NOT NULL,
    accepted_partition integer NOT NULL,
    accepted_offset bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS erased_records_of ON bus.erased_records (dataset, agency, key);
COMMENT ON TABLE bus.erased_entries IS 'Registry entries whose data were destroyed; none comes again';
COMMENT ON TABLE bus.erased_records IS 'Records that such entries had: what is left is their ids';
COMMENT ON SCHEMA history IS 'Every accepted version of every registry entry, as signed';
COMMENT ON SCHEMA current IS 'What stands now, one row for each registry entry';
COMMENT ON SCHEMA past IS 'Values of versions of which another one stands, or none'

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('bus tables', 0))

-- name: history
CREATE TABLE IF NOT EXISTS {history} (
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    record_id text COLLATE "C" NOT NULL UNIQUE,
    operation text COLLATE "C" NOT NULL,
    supersedes text COLLATE "C",
    schema_id bigint NOT NULL,
    value bytea NOT NULL,
    event_time timestamptz NOT NULL,
    appended_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    system text COLLATE "C" NOT NULL,
    lane text COLLATE "C" NOT NULL,
    bus_in text COLLATE "C" NOT NULL,
    catalogue bigint NOT NULL,
    accepted_topic text COLLATE "C" NOT NULL,
    accepted_partition integer NOT NULL,
    accepted_offset bigint NOT NULL,
    PRIMARY KEY (agency, key, version)
)

-- name: transaction_time
SELECT FROM pg_attrdef AS stated
JOIN pg_attribute AS attribute
    ON attribute.attrelid = stated.adrelid AND attribute.attnum = stated.adnum
WHERE stated.adrelid = to_regclass(%(table)s) AND attribute.attname = 'recorded_at'
  AND pg_get_expr(stated.adbin, stated.adrelid) = 'now()'

-- name: history_times
ALTER TABLE {history} ALTER COLUMN recorded_at SET DEFAULT statement_timestamp()

-- name: current
CREATE TABLE IF NOT EXISTS {current} (
    agency text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    record_id text COLLATE "C" NOT NULL,
    operation text COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    ceased_by bigint,
    ceased_at timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (agency, key)
)

-- name: past
-- Column for column as the table of current entries, whose rows come here as they are.
CREATE TABLE IF NOT EXISTS {past} (
    LIKE {current} INCLUDING DEFAULTS,
    PRIMARY KEY (agency, key, version)
)

-- name: lacking_values
SELECT past.agency, past.key, past.version, past.record_id, past.operation, past.event_time,
    past.schema_id, past.value
FROM {history} AS past
WHERE (past.agency, past.key, past.version) > (%(agency)s, %(key)s, %(version)s)
  AND NOT EXISTS (
      SELECT FROM {current} AS standing
      WHERE standing.agency = past.agency AND standing.key = past.key
        AND standing.version = past.version
  )
ORDER BY past.agency, past.key, past.version
LIMIT %(limit)s

-- name: columns
SELECT attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
FROM pg_attribute AS attribute
WHERE attribute.attrelid = to_regclass(%(table)s)
  AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum

-- name: add_column
ALTER TABLE {table} ADD COLUMN {column} {type}

-- name: add_column_with_default
ALTER TABLE {table} ADD COLUMN {column} {type} DEFAULT {default}

-- name: widen_column
ALTER TABLE {table} ALTER COLUMN {column} TYPE {type}

-- name: mart_views
-- PostgreSQL changes the type of no column that a view shows. The marts are made anew afterwards.
SELECT DISTINCT namespace.nspname, view.relname
FROM pg_depend AS needed
JOIN pg_rewrite AS rule ON needed.classid = 'pg_rewrite'::regclass AND rule.oid = needed.objid
JOIN pg_class AS view ON view.oid = rule.ev_class
JOIN pg_namespace AS namespace ON namespace.oid = view.relnamespace
WHERE needed.refclassid = 'pg_class'::regclass
  AND needed.refobjid IN (to_regclass(%(current)s), to_regclass(%(past)s))
  AND view.relkind = 'v' AND starts_with(namespace.nspname, 'mart_')

-- name: drop_view
DROP VIEW {view}

-- name: search_index
CREATE INDEX IF NOT EXISTS {index} ON {current} (agency, ({sought}))
