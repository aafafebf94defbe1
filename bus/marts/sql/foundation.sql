-- name: lock
SELECT pg_advisory_lock(hashtextextended('bus marts', 0))

-- name: unlock
SELECT pg_advisory_unlock(hashtextextended('bus marts', 0))

-- name: functions
CREATE OR REPLACE FUNCTION bus.standing_step(
    state text[], version bigint, record_id text, operation text, supersedes text, begun boolean
)
RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
-- One step of `bus.merge.standing`, from an entry's highest version down.
-- state: current version, cease in force, whether a create was met; then annulled record ids.
BEGIN
    IF record_id = ANY (state[4:]) THEN
        RETURN state;
    END IF;
    IF operation = 'annul' THEN
        RETURN state || supersedes;
    END IF;
    IF NOT begun THEN
        RETURN state;
    END IF;
    IF state[1] IS NULL THEN
        state[1] := version;
    END IF;
    IF operation = 'create' THEN
        state[3] := 't';
    END IF;
    IF operation = 'cease' AND state[3] IS NULL AND state[2] IS NULL THEN
        state[2] := version;
    END IF;
    RETURN state;
END
$$;
CREATE OR REPLACE AGGREGATE bus.standing(bigint, text, text, text, boolean) (
    SFUNC = bus.standing_step, STYPE = text[], INITCOND = '{{NULL,NULL,NULL}}'
);
CREATE OR REPLACE FUNCTION bus.complete_before(
    dataset text, known_at timestamptz, valid_at timestamptz, incomplete boolean
)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    newest CONSTANT timestamptz := greatest(known_at, valid_at);
    mark timestamptz;
BEGIN
    IF newest > clock_timestamp() THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format({to_come}, newest, clock_timestamp());
    END IF;
    SELECT kept.complete_before INTO mark FROM bus.watermarks AS kept WHERE kept.dataset = $1;
    IF newest > coalesce(mark, '-infinity') AND incomplete IS NOT TRUE THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format({incomplete}, dataset, coalesce(mark::text, '-'), newest);
    END IF;
    RETURN mark;
END
$$;
REVOKE ALL ON FUNCTION bus.standing_step, bus.standing, bus.complete_before FROM PUBLIC

-- name: harden
-- A reader who may take advisory locks can stop the fund; one who may make large objects, its disk.
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN
        SELECT known.oid FROM pg_proc AS known
        WHERE known.pronamespace = 'pg_catalog'::regnamespace
          AND (known.proname ~ '^pg_(try_)?advisory_'
               OR known.proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lowrite', 'lo_put'))
          AND has_function_privilege('public', known.oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', routine);
    END LOOP;
END
$$
