-- name: known_role
SELECT FROM pg_roles WHERE rolname = %(role)s

-- name: own_role
SELECT shobj_description(role.oid, 'pg_authid') FROM pg_roles AS role WHERE rolname = %(role)s

-- name: create_role
CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS
CONNECTION LIMIT {limit}

-- name: limit_role
ALTER ROLE {role} LOGIN NOCREATEDB NOCREATEROLE NOINHERIT CONNECTION LIMIT {limit}
VALID UNTIL 'infinity'

-- name: weaken_role
ALTER ROLE {role} NOSUPERUSER NOREPLICATION NOBYPASSRLS

-- name: lock_out
ALTER ROLE {role} NOLOGIN

-- name: mark_role
COMMENT ON ROLE {role} IS {mark}

-- name: join_role
GRANT {role} TO CURRENT_USER

-- name: set_password
ALTER ROLE {role} PASSWORD {verifier}

-- name: set
ALTER ROLE {role} SET {setting} = {value}

-- name: reset
ALTER ROLE {role} RESET {setting}

-- name: reset_here
ALTER ROLE {role} IN DATABASE {database} RESET {setting}

-- name: leave
REVOKE {whole} FROM {member}

-- name: create_schema
CREATE SCHEMA {schema}

-- name: drop_schema
DROP SCHEMA IF EXISTS {schema} CASCADE

-- name: drop_owned
DROP OWNED BY {role} CASCADE

-- name: drop_role
DROP ROLE {role}

-- name: drop
DROP {kind} IF EXISTS {object} CASCADE

-- name: grant
GRANT {right} ON {thing} TO {holder}

-- name: revoke
REVOKE {right} ON {thing} FROM {holder} CASCADE

-- name: comment
COMMENT ON {kind} {object} IS {comment}

-- name: end_sessions
SELECT count(pg_terminate_backend(session.pid))
FROM pg_stat_activity AS session
WHERE session.usename = %(role)s AND session.pid <> pg_backend_pid()
  AND session.datname = current_database()
  AND (NOT %(only_readers)s OR EXISTS (
      SELECT FROM pg_locks AS held
      JOIN pg_class AS view ON view.oid = held.relation
      JOIN pg_namespace AS schema ON schema.oid = view.relnamespace
      WHERE held.pid = session.pid AND schema.nspname = %(role)s
  ))
