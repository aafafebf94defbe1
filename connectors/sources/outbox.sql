-- The outbox: an application writes here, in its own transaction, what the bus is to be told.
-- Run it once, as the owner of the application's tables; then, for the connector's user:
--   GRANT SELECT, DELETE ON bus_outbox TO bus_reader;
--   GRANT SELECT ON SEQUENCE bus_outbox_id_seq TO bus_reader;

CREATE TABLE IF NOT EXISTS bus_outbox (
    -- First of the columns: a row has a transaction before it draws its id, and so the reader knows
    -- that no id can still come once older transactions have ended.
    tx        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key       text        NOT NULL,
    operation text        CHECK (operation IN ('create', 'correct', 'annul', 'cease')),
    row       jsonb       NOT NULL,
    at        timestamptz NOT NULL DEFAULT now()
);

-- Tells a row: its registry number, its values by column, and what became of it where it has ended.
-- Call it behind the change itself, so that two changes of one entry are told in their own order.
CREATE OR REPLACE FUNCTION bus_outbox_put(key text, "row" jsonb, operation text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    drawn bigint;
BEGIN
    PERFORM pg_current_xact_id();
    INSERT INTO bus_outbox (key, operation, row)
    VALUES (bus_outbox_put.key, bus_outbox_put.operation, bus_outbox_put."row")
    RETURNING id INTO drawn;
    RETURN drawn;
END
$$;
