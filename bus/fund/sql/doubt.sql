-- name: doubt
INSERT INTO bus.doubted (record_id, agency, dataset, key, version, key_id, since)
SELECT record_id, agency, dataset, key, version, %(key_id)s, %(since)s
FROM unnest(
    %(record_ids)s::text[], %(agencies)s::text[], %(datasets)s::text[], %(keys)s::text[],
    %(versions)s::bigint[]
) AS signed(record_id, agency, dataset, key, version)
ON CONFLICT (record_id) DO NOTHING
