-- name: is_there
SELECT to_regclass('bus.audit_head') IS NOT NULL

-- name: create
SELECT pg_advisory_xact_lock(hashtextextended('bus audit', 0));
CREATE SCHEMA IF NOT EXISTS bus;
CREATE TABLE IF NOT EXISTS bus.audit_notes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text COLLATE "C" NOT NULL,
    writer text COLLATE "C" NOT NULL,
    dataset text COLLATE "C",
    keys bigint[] NOT NULL,
    content text NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_notes_by_dataset ON bus.audit_notes (dataset, kind, number);
CREATE TABLE IF NOT EXISTS bus.audit_untold (
    number bigint PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS bus.audit_head (
    is_last boolean PRIMARY KEY DEFAULT true CHECK (is_last),
    number bigint NOT NULL CHECK (number > 0),
    text bytea NOT NULL,
    signature bytea NOT NULL,
    frontiers text NOT NULL,
    is_told boolean NOT NULL
);
CREATE OR REPLACE FUNCTION bus.audit_notes_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'notes of the audit log are never changed: their digests stand in the log';
END $$;
CREATE OR REPLACE TRIGGER only_grows
    BEFORE UPDATE OR DELETE OR TRUNCATE ON bus.audit_notes
    FOR EACH STATEMENT EXECUTE FUNCTION bus.audit_notes_only_grow();
COMMENT ON TABLE bus.audit_notes IS 'Acts, rights and reads in clear; sealed by leaves of control.audit'

-- name: note
WITH noted AS (
    INSERT INTO bus.audit_notes (kind, writer, dataset, keys, content)
    SELECT kind, writer, dataset, keys, content
    FROM ROWS FROM (
        jsonb_to_recordset(%(notes)s::jsonb)
            AS (kind text, writer text, dataset text, keys bigint[], content text)
    ) WITH ORDINALITY AS given(kind, writer, dataset, keys, content, place)
    ORDER BY place
    RETURNING number
)
INSERT INTO bus.audit_untold SELECT number FROM noted

-- name: untold
SELECT number, noted_at, kind, writer, dataset, keys, content
FROM bus.audit_untold JOIN bus.audit_notes USING (number)
ORDER BY number
LIMIT %(limit)s

-- name: told
DELETE FROM bus.audit_untold WHERE number = ANY(%(numbers)s::bigint[])

-- name: untold_numbers
SELECT number FROM bus.audit_untold

-- name: page
SELECT number, noted_at, kind, writer, dataset, keys, content
FROM bus.audit_notes
WHERE number > %(after)s
ORDER BY number
LIMIT %(limit)s

-- name: numbered
SELECT number, noted_at, kind, writer, dataset, keys, content
FROM bus.audit_notes
WHERE number = ANY(%(numbers)s::bigint[])
ORDER BY number

-- name: reads
SELECT number, noted_at, kind, writer, dataset, keys, content
FROM bus.audit_notes
WHERE dataset = %(dataset)s AND kind = 'read' AND %(mark)s = ANY(keys)
ORDER BY number

-- name: rights
WITH known AS (
    SELECT number, noted_at, kind, writer, dataset, keys, content
    FROM bus.audit_notes
    WHERE dataset = %(dataset)s AND kind = 'right'
)
SELECT * FROM known
UNION ALL
-- A view that no agreement leads to any more belongs to a dataset by what was noted of it before.
SELECT number, noted_at, kind, writer, dataset, keys, content
FROM bus.audit_notes
WHERE dataset IS NULL AND kind = 'right'
    AND content::jsonb ->> 'name' IN (SELECT content::jsonb ->> 'name' FROM known)
ORDER BY number

-- name: head
SELECT number, text, signature, frontiers, is_told FROM bus.audit_head

-- name: begin
INSERT INTO bus.audit_head (number, text, signature, frontiers, is_told)
VALUES (%(number)s, %(text)s, %(signature)s, %(frontiers)s, %(is_told)s)
ON CONFLICT DO NOTHING

-- name: advance
UPDATE bus.audit_head
SET number = %(number)s, text = %(text)s, signature = %(signature)s, frontiers = %(frontiers)s,
    is_told = %(is_told)s
WHERE number = %(before)s AND is_told

-- name: head_told
UPDATE bus.audit_head SET is_told = true WHERE number = %(number)s
