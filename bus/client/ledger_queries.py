"""Statements of the publisher's memory, in SQLite's language."""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE IF NOT EXISTS version (
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    supersedes TEXT,
    fingerprint BLOB NOT NULL,
    place_partition INTEGER NOT NULL,
    place_offset INTEGER NOT NULL,
    standing TEXT NOT NULL,
    reason TEXT,
    refused_attempt INTEGER,
    released_attempt INTEGER,
    PRIMARY KEY (key, version)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS version_place ON version (place_partition, place_offset);
CREATE TABLE IF NOT EXISTS position (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (topic TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE seen (key TEXT PRIMARY KEY, more_than_once INTEGER NOT NULL) WITHOUT ROWID;
"""
# Of a file that an earlier publisher wrote, which knew nothing but these two operations.
ADD_OPERATIONS: Final = """
ALTER TABLE version ADD COLUMN operation TEXT NOT NULL DEFAULT 'create';
UPDATE version SET operation = 'correct' WHERE supersedes IS NOT NULL;
"""
# Of a file that an earlier publisher wrote, which knew of no releases: what it did not keep of the
# refusals, it reads again.
ADD_ATTEMPTS: Final = """
ALTER TABLE version ADD COLUMN refused_attempt INTEGER;
ALTER TABLE version ADD COLUMN released_attempt INTEGER;
UPDATE version SET refused_attempt = 0 WHERE reason IS NOT NULL;
DELETE FROM position WHERE topic LIKE 'quarantine.%';
"""
KNOWN: Final = """
SELECT version, record_id, operation, supersedes, fingerprint, standing, place_partition,
    place_offset, CASE standing WHEN 'refused' THEN reason END
FROM version WHERE key = ? ORDER BY version DESC
"""
# Why the standing of the predecessor: it may have been refused before this version was sent.
ADD: Final = """
INSERT OR IGNORE INTO version (
    key, version, record_id, operation, supersedes, fingerprint, place_partition, place_offset,
    standing, reason
)
SELECT :key, :version, :record_id, :operation, :supersedes, :fingerprint, :partition, :offset,
    CASE WHEN EXISTS (
        SELECT 1 FROM version
        WHERE key = :key AND record_id = :supersedes AND standing <> 'stands'
    ) THEN 'hangs' ELSE 'stands' END,
    NULL
"""
# Why the greatest attempts: refusals and releases lie in two topics, and are read in any order.
REFUSE: Final = """
UPDATE version
SET reason = CASE WHEN :attempt >= coalesce(refused_attempt, 0) THEN :reason ELSE reason END,
    refused_attempt = max(:attempt, coalesce(refused_attempt, 0))
WHERE place_partition = :partition AND place_offset = :offset
RETURNING key
"""
RELEASE: Final = """
UPDATE version SET released_attempt = max(:attempt, coalesce(released_attempt, 0))
WHERE place_partition = :partition AND place_offset = :offset
RETURNING key
"""
# A release answers the refusals of the attempts before it, never one of its own.
SETTLE: Final = """
WITH RECURSIVE fallen (record_id) AS (
    SELECT record_id FROM version
    WHERE key = :key AND refused_attempt >= coalesce(released_attempt, 0)
    UNION
    SELECT version.record_id FROM version JOIN fallen ON version.supersedes = fallen.record_id
    WHERE version.key = :key
)
UPDATE version
SET standing = CASE
    WHEN refused_attempt >= coalesce(released_attempt, 0) THEN 'refused'
    WHEN record_id IN (SELECT record_id FROM fallen) THEN 'hangs'
    ELSE 'stands'
END
WHERE key = :key
"""
MOVE: Final = """
INSERT INTO position VALUES (?, ?, ?)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
"""
HOLDS: Final = """
SELECT EXISTS (SELECT 1 FROM version WHERE key = ? AND version = ? AND fingerprint = ?)
"""
HOLDS_UNREADABLE: Final = """
SELECT EXISTS (SELECT 1 FROM version WHERE key >= 'row:' AND key < 'row;')
"""
SEE: Final = """
INSERT INTO seen VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET more_than_once = 1
"""
COUNT: Final = """
SELECT CASE standing WHEN 'refused' THEN reason END, count(*), max(place_offset) FROM version
WHERE place_partition = ? AND place_offset >= ? AND place_offset < ? GROUP BY 1
"""
