-- name: on_its_way
SELECT FROM bus.quarantine
WHERE dataset = %(dataset)s AND agency = %(agency)s AND state = 'releasing'
  AND (key = convert_to(%(key)s, 'UTF8') OR record_id = ANY(%(record_ids)s))
LIMIT 1

-- name: take_bytes
-- What stays says that a record was set aside, where it came from and why; nothing of its content.
-- One that was released shall not open again: its outcome may still be on the way.
UPDATE bus.quarantine AS kept
SET key = NULL, header_names = '{{}}', header_values = '{{}}', value = NULL
WHERE dataset = %(dataset)s AND agency = %(agency)s AND state <> 'releasing'
  AND (key = convert_to(%(key)s, 'UTF8') OR record_id = ANY(%(record_ids)s))
  AND (key IS NOT NULL OR value IS NOT NULL OR header_names <> '{{}}')
RETURNING topic, partition, "offset", state IN ('open', 'released')
