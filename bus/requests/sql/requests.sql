-- name: create
CREATE SCHEMA IF NOT EXISTS bus;
CREATE TABLE IF NOT EXISTS bus.requests (
    id text COLLATE "C" PRIMARY KEY,
    system text COLLATE "C" NOT NULL,
    request_id uuid NOT NULL,
    digest bytea NOT NULL,
    consumer text COLLATE "C" NOT NULL,
    agency text COLLATE "C" NOT NULL,
    dataset text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    search jsonb,
    recorded timestamptz,
    valid timestamptz,
    agreement text COLLATE "C",
    view text COLLATE "C",
    state text COLLATE "C" NOT NULL CHECK (
        state IN ('answered_auto', 'asked', 'answered', 'refused', 'expired')
    ),
    reason text COLLATE "C",
    asked_at timestamptz NOT NULL,
    settled_at timestamptz,
    record_ids text[] NOT NULL DEFAULT '{{}}',
    answer bytea[],
    answer_keys text[],
    answer_digest bytea,
    answered_by text COLLATE "C",
    remind_at timestamptz,
    reminded_at timestamptz,
    escalate_at timestamptz,
    escalated_at timestamptz,
    deadline_at timestamptz,
    UNIQUE (system, request_id),
    CHECK ((key IS NULL) <> (search IS NULL)),
    CHECK ((state = 'asked') = (settled_at IS NULL)),
    CHECK (state <> 'asked' OR deadline_at IS NOT NULL)
);
COMMENT ON COLUMN bus.requests.record_ids IS
    'What the fund answered with: versions, not values; they are read again for a repeat';
COMMENT ON COLUMN bus.requests.answer IS
    'What the provider answered, cut to the view that is named here: framed values';
CREATE INDEX IF NOT EXISTS requests_open ON bus.requests (agency, dataset, deadline_at)
    WHERE state = 'asked';
CREATE INDEX IF NOT EXISTS requests_open_of ON bus.requests (system) WHERE state = 'asked';
CREATE INDEX IF NOT EXISTS requests_with_answer ON bus.requests (settled_at)
    WHERE answer IS NOT NULL;
CREATE TABLE IF NOT EXISTS bus.request_notes (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL REFERENCES bus.requests (id),
    kind text COLLATE "C" NOT NULL,
    noted_at timestamptz NOT NULL,
    told_at timestamptz
);
CREATE INDEX IF NOT EXISTS request_notes_untold ON bus.request_notes (number)
    WHERE told_at IS NULL;

-- name: add
INSERT INTO bus.requests (
    id, system, request_id, digest, consumer, agency, dataset, key, search, recorded, valid,
    agreement, view, state, reason, asked_at, settled_at, record_ids, remind_at, escalate_at,
    deadline_at
) VALUES (
    %(id)s, %(system)s, %(request_id)s, %(digest)s, %(consumer)s, %(agency)s, %(dataset)s,
    %(key)s, %(search)s, %(recorded)s, %(valid)s, %(agreement)s, %(view)s, %(state)s, %(reason)s,
    %(asked_at)s, %(settled_at)s, %(record_ids)s, %(remind)s, %(escalate)s, %(deadline)s
)
ON CONFLICT (system, request_id) DO NOTHING

-- name: note
INSERT INTO bus.request_notes (id, kind, noted_at) VALUES (%(id)s, %(kind)s, %(at)s)

-- name: get
SELECT id, system, request_id, digest, consumer, agency, dataset, key, search, recorded, valid,
    agreement, view, state, reason, asked_at, settled_at, record_ids, answer, answer_keys,
    answer_digest, answered_by, deadline_at
FROM bus.requests
WHERE id = %(id)s

-- name: inbox
SELECT id, system, request_id, digest, consumer, agency, dataset, key, search, recorded, valid,
    agreement, view, state, reason, asked_at, settled_at, record_ids, answer, answer_keys,
    answer_digest, answered_by, deadline_at
FROM bus.requests
WHERE agency = %(agency)s AND dataset = ANY(%(datasets)s) AND state = 'asked'
ORDER BY deadline_at, id
LIMIT %(limit)s

-- name: open_of
SELECT count(*) FROM bus.requests WHERE system = %(system)s AND state = 'asked'

-- name: settle
UPDATE bus.requests
SET state = %(state)s, reason = %(reason)s, settled_at = %(at)s, answer = %(answer)s,
    answer_keys = %(answer_keys)s, answer_digest = %(answer_digest)s,
    answered_by = %(answered_by)s,
    view = CASE WHEN %(state)s = 'answered' THEN %(view)s ELSE view END
WHERE id = %(id)s AND state = 'asked'

-- name: remind
WITH due AS (
    UPDATE bus.requests SET reminded_at = %(now)s
    WHERE id IN (
        SELECT id FROM bus.requests
        WHERE state = 'asked' AND reminded_at IS NULL AND remind_at <= %(now)s
          AND deadline_at > %(now)s
        ORDER BY remind_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id
)
INSERT INTO bus.request_notes (id, kind, noted_at) SELECT id, 'reminder', %(now)s FROM due

-- name: escalate
WITH due AS (
    UPDATE bus.requests SET escalated_at = %(now)s
    WHERE id IN (
        SELECT id FROM bus.requests
        WHERE state = 'asked' AND escalated_at IS NULL AND escalate_at <= %(now)s
          AND deadline_at > %(now)s
        ORDER BY escalate_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id
)
INSERT INTO bus.request_notes (id, kind, noted_at) SELECT id, 'escalated', %(now)s FROM due

-- name: expire
WITH due AS (
    UPDATE bus.requests SET state = %(state)s, settled_at = %(now)s
    WHERE id IN (
        SELECT id FROM bus.requests
        WHERE state = 'asked' AND deadline_at <= %(now)s
        ORDER BY deadline_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id
)
INSERT INTO bus.request_notes (id, kind, noted_at) SELECT id, 'expired', %(now)s FROM due

-- name: forget
UPDATE bus.requests SET answer = NULL
WHERE id IN (
    SELECT id FROM bus.requests
    WHERE answer IS NOT NULL AND settled_at <= %(before)s
    ORDER BY settled_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)

-- name: untold
SELECT note.number, note.kind, note.noted_at, asked.id, asked.system, asked.request_id,
    asked.digest, asked.consumer, asked.agency, asked.dataset, asked.key, asked.search,
    asked.recorded, asked.valid, asked.agreement, asked.view, asked.state, asked.reason,
    asked.asked_at, asked.settled_at, asked.record_ids, NULL::bytea[], NULL::text[],
    asked.answer_digest, asked.answered_by, asked.deadline_at
FROM bus.request_notes AS note
JOIN bus.requests AS asked USING (id)
WHERE note.told_at IS NULL
ORDER BY note.number
LIMIT %(limit)s

-- name: told
UPDATE bus.request_notes SET told_at = now() WHERE number = ANY(%(numbers)s) AND told_at IS NULL

-- name: counts
SELECT agency, consumer, dataset, state, count(*),
    count(*) FILTER (WHERE state = 'asked' AND escalated_at IS NOT NULL)
FROM bus.requests
GROUP BY agency, consumer, dataset, state
ORDER BY agency, consumer, dataset, state

-- name: erase
UPDATE bus.requests
SET answer = NULL, answer_keys = NULL
WHERE dataset = %(dataset)s AND agency = %(agency)s AND answer IS NOT NULL
  AND (key = %(key)s OR %(key)s = ANY(answer_keys))
