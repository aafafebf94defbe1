"""Statements of the publisher's memory, in SQLite's language."""

from __future__ import annotations

from typing import Final

TABLES: Final = """
CREATE TABLE IF NOT EXISTS version (
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    record_id TEXT NOT NULL,
    supersedes TEXT,
    fingerprint BLOB NOT NULL,
    place_partition INTEGER NOT NULL,
    place_offset INTEGER NOT NULL,
    standing TEXT NOT NULL,
    reason TEXT,
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
KNOWN: Final = """
SELECT version, record_id, fingerprint, standing, place_partition, place_offset, reason
FROM version WHERE key = ? ORDER BY version DESC
"""
# Why the standing of the predecessor: it may have been refused before this version was sent.
ADD: Final = """
INSERT OR IGNORE INTO version
SELECT :key, :version, :record_id, :supersedes, :fingerprint, :partition, :offset,
    CASE WHEN EXISTS (
        SELECT 1 FROM version
        WHERE key = :key AND record_id = :supersedes AND standing <> 'stands'
    ) THEN 'hangs' ELSE 'stands' END,
    NULL
"""
REFUSE: Final = """
UPDATE version SET standing = 'refused', reason = :reason
WHERE place_partition = :partition AND place_offset = :offset
RETURNING key, record_id
"""
HANG_FOLLOWERS: Final = """
WITH RECURSIVE follower (record_id) AS (
    SELECT record_id FROM version WHERE key = :key AND supersedes = :record_id
    UNION
    SELECT version.record_id FROM version JOIN follower ON version.supersedes = follower.record_id
    WHERE version.key = :key
)
UPDATE version SET standing = 'hangs'
WHERE key = :key AND standing = 'stands' AND record_id IN (SELECT record_id FROM follower)
"""
MOVE: Final = """
INSERT INTO position VALUES (?, ?, ?)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
"""
SEE: Final = """
INSERT INTO seen VALUES (?, 0) ON CONFLICT (key) DO UPDATE SET more_than_once = 1
"""
COUNT: Final = """
SELECT reason, count(*), max(place_offset) FROM version
WHERE place_partition = ? AND place_offset >= ? AND place_offset < ? GROUP BY reason
"""
