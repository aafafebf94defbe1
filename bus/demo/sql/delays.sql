-- name: arrived
SELECT key, event_time FROM {history} WHERE agency = %(agency)s AND key = ANY(%(keys)s)
