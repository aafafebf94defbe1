-- name: create
CREATE SCHEMA IF NOT EXISTS bus;
CREATE TABLE IF NOT EXISTS bus.positions (
    consumer text COLLATE "C" NOT NULL,
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    first_offset bigint NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= first_offset),
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);

-- name: add
INSERT INTO bus.positions (consumer, topic, partition, first_offset, next_offset)
SELECT %(consumer)s, topic, partition, first_offset, first_offset
FROM unnest(%(topics)b::text[], %(partitions)b::int4[], %(starts)b::int8[])
    AS wanted(topic, partition, first_offset)
ON CONFLICT DO NOTHING

-- name: read
SELECT topic, partition, next_offset
FROM bus.positions
JOIN unnest(%(topics)b::text[], %(partitions)b::int4[]) AS wanted(topic, partition)
    USING (topic, partition)
WHERE consumer = %(consumer)s

-- name: move
UPDATE bus.positions AS held
SET next_offset = span.next_offset, moved_at = now()
FROM unnest(%(topics)b::text[], %(partitions)b::int4[], %(starts)b::int8[], %(ends)b::int8[])
    AS span(topic, partition, first_offset, next_offset)
WHERE held.consumer = %(consumer)s
  AND held.topic = span.topic
  AND held.partition = span.partition
  AND held.next_offset = span.first_offset

-- name: evict
SELECT pg_terminate_backend(pid)
FROM (
    SELECT DISTINCT holder.pid
    FROM bus.positions AS held
    JOIN unnest(%(topics)b::text[], %(partitions)b::int4[]) AS wanted(topic, partition)
        USING (topic, partition)
    JOIN pg_locks AS holder
        ON holder.locktype = 'transactionid' AND holder.granted AND holder.transactionid = held.xmax
    WHERE held.consumer = %(consumer)s AND holder.pid <> pg_backend_pid()
) AS frozen
