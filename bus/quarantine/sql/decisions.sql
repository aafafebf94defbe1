-- name: lock
SELECT pg_advisory_lock(hashtextextended('bus quarantine decisions', 0))

-- name: lock_transaction
SELECT pg_advisory_xact_lock(hashtextextended('bus quarantine decisions', 0))

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('bus quarantine decisions', 0))

-- name: decide
INSERT INTO bus.quarantine_decisions (kind, by_post, second_post, because, selection, catalogue)
VALUES (%(kind)s, %(by)s, %(second)s, %(because)s, %(selection)s, %(catalogue)s)
RETURNING number

-- name: note_decided
INSERT INTO bus.quarantine_decided (topic, partition, "offset", decision)
SELECT topic, partition, "offset", %(decision)s
FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[])
    AS wanted(topic, partition, "offset")
ON CONFLICT DO NOTHING

-- name: page
SELECT topic, partition, "offset", dataset, stage = 'fund', state, attempt, group_id, group_first, key,
    header_names, header_values, value, appended_at
FROM bus.quarantine
WHERE state IN ('open', 'releasing')
  AND (topic, partition, "offset") > (%(topic)s, %(partition)s, %(offset)s)
  AND (%(agency)s::text IS NULL OR agency = %(agency)s)
  AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(rule)s::text IS NULL OR %(rule)s = ANY (rules))
  AND (%(topics)s::text[] IS NULL OR (topic, partition, "offset") IN (
      SELECT * FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[])
  ))
ORDER BY topic, partition, "offset"
LIMIT %(limit)s
FOR UPDATE

-- name: members
SELECT kept.topic, kept.partition, kept."offset", kept.dataset, kept.stage = 'fund', kept.state,
    kept.attempt, kept.group_id, kept.group_first, kept.key, kept.header_names,
    kept.header_values, kept.value, kept.appended_at
FROM unnest(
    %(topics)s::text[], %(partitions)s::int4[], %(firsts)s::int8[], %(lasts)s::int8[],
    %(groups)s::text[]
) AS wanted(topic, partition, first, last, group_id)
JOIN bus.quarantine AS kept
    ON kept.topic = wanted.topic AND kept.partition = wanted.partition
    AND kept."offset" BETWEEN wanted.first AND wanted.last
    AND kept.group_first = wanted.first AND kept.group_id = wanted.group_id
WHERE kept.state IN ('open', 'releasing')
FOR UPDATE OF kept

-- name: begin_release
UPDATE bus.quarantine AS kept
SET state = 'releasing', attempt = wanted.attempt, state_at = now()
FROM unnest(
    %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(attempts)s::int4[]
) AS wanted(topic, partition, "offset", attempt)
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset"

-- name: finish_release
UPDATE bus.quarantine AS kept
SET state = 'released', state_at = now()
FROM unnest(
    %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(attempts)s::int4[]
) AS wanted(topic, partition, "offset", attempt)
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset"
  AND kept.state = 'releasing' AND kept.attempt = wanted.attempt

-- name: discard
UPDATE bus.quarantine AS kept
SET state = 'discarded', state_at = now()
FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[])
    AS wanted(topic, partition, "offset")
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset"

-- name: decisions_of
SELECT decision.number, decision.kind, decision.by_post, decision.second_post, decision.because,
    decision.decided_at, decision.catalogue,
    (SELECT count(*) FROM bus.quarantine_decided AS other WHERE other.decision = decision.number)
FROM bus.quarantine_decided AS decided
JOIN bus.quarantine_decisions AS decision ON decision.number = decided.decision
WHERE decided.topic = %(topic)s AND decided.partition = %(partition)s
  AND decided."offset" = %(offset)s
ORDER BY decision.number

-- name: resolved_by
SELECT answer.record_id
FROM bus.quarantine_answers AS answer
JOIN bus.quarantine AS kept USING (topic, partition, "offset")
WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = %(offset)s
  AND answer.appended_at > kept.appended_at

-- name: note_resolutions
INSERT INTO bus.quarantine_answers AS kept (
    topic, partition, "offset", record_id, bus_in, appended_at
)
SELECT topic, partition, "offset", record_id, bus_in,
    'epoch'::timestamptz + appended_ms * interval '1 millisecond'
FROM unnest(
    %(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(record_ids)s::text[],
    %(bus_ins)s::text[], %(appended_ms)s::int8[]
) AS answer(topic, partition, "offset", record_id, bus_in, appended_ms)
ON CONFLICT (topic, partition, "offset") DO UPDATE
    SET record_id = excluded.record_id, bus_in = excluded.bus_in,
        appended_at = excluded.appended_at
    WHERE excluded.appended_at > kept.appended_at

-- name: undecided
SELECT topic, partition, "offset", dataset
FROM bus.quarantine
WHERE state IN ('open', 'releasing')
  AND (topic, partition, "offset") > (%(topic)s, %(partition)s, %(offset)s)
ORDER BY topic, partition, "offset"
LIMIT %(limit)s

-- name: close_superseded
UPDATE bus.quarantine AS kept
SET state = CASE kept.state WHEN 'open' THEN 'superseded' ELSE 'released' END, state_at = now()
FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[])
    AS wanted(topic, partition, "offset"), {history} AS past
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset" AND kept.state IN ('open', 'releasing')
  AND past.record_id = kept.record_id
  AND past.bus_in = kept.topic || '/' || kept.partition || '/' || kept."offset"

-- name: close_resolved
UPDATE bus.quarantine AS kept
SET state = 'resolved', state_at = now()
FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[])
    AS wanted(topic, partition, "offset")
JOIN bus.quarantine_answers AS answer USING (topic, partition, "offset")
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset" AND kept.state = 'open'
  AND answer.appended_at > kept.appended_at

-- name: untold
SELECT topic, partition, "offset", agency, dataset, state, state_at, reason, path, rules, attempt,
    record_id,
    (SELECT because
     FROM bus.quarantine_decided AS decided
     JOIN bus.quarantine_decisions AS decision ON decision.number = decided.decision
     WHERE decided.topic = kept.topic AND decided.partition = kept.partition
       AND decided."offset" = kept."offset" AND decision.kind = CASE kept.state
           WHEN 'released' THEN 'release' WHEN 'discarded' THEN 'discard' END
     ORDER BY decision.number DESC
     LIMIT 1)
FROM bus.quarantine AS kept
WHERE told IS DISTINCT FROM state AND state <> 'releasing'
ORDER BY state_at
LIMIT %(limit)s

-- name: told
UPDATE bus.quarantine AS kept
SET told = wanted.state
FROM unnest(%(topics)s::text[], %(partitions)s::int4[], %(offsets)s::int8[], %(states)s::text[])
    AS wanted(topic, partition, "offset", state)
WHERE kept.topic = wanted.topic AND kept.partition = wanted.partition
  AND kept."offset" = wanted."offset"
