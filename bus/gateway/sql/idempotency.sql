-- name: create
CREATE SCHEMA IF NOT EXISTS bus;
CREATE TABLE IF NOT EXISTS bus.gateway_requests (
    system text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    receipt text,
    taken_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system, key)
);
COMMENT ON TABLE bus.gateway_requests IS 'Requests to publish that named an idempotency key';
COMMENT ON COLUMN bus.gateway_requests.digest IS 'SHA-256 of what was asked, the body included';
CREATE INDEX IF NOT EXISTS gateway_requests_by_age ON bus.gateway_requests (taken_at)

-- name: take
INSERT INTO bus.gateway_requests (system, key, digest)
VALUES (%(system)s, %(key)s, %(digest)s)
ON CONFLICT (system, key) DO NOTHING

-- name: known
SELECT digest, receipt FROM bus.gateway_requests WHERE system = %(system)s AND key = %(key)s

-- name: answered
UPDATE bus.gateway_requests SET receipt = %(receipt)s WHERE system = %(system)s AND key = %(key)s

-- name: forget
DELETE FROM bus.gateway_requests
WHERE (system, key) IN (
    SELECT system, key FROM bus.gateway_requests
    WHERE taken_at < now() - make_interval(hours => %(hours)s)
    ORDER BY taken_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
