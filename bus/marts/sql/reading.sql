-- name: self
SELECT current_database(), current_user, own.rolsuper, own.rolsuper OR own.rolcreaterole,
    has_parameter_privilege('log_statement', 'SET')
    AND has_parameter_privilege('log_parameter_max_length', 'SET')
    AND has_parameter_privilege('log_min_messages', 'SET')
FROM pg_roles AS own
WHERE own.rolname = current_user

-- name: roles
SELECT role.rolname,
    concat_ws(', ',
        CASE WHEN role.rolcanlogin THEN 'login' END,
        CASE WHEN role.rolsuper THEN 'superuser' END,
        CASE WHEN role.rolcreatedb THEN 'createdb' END,
        CASE WHEN role.rolcreaterole THEN 'createrole' END,
        CASE WHEN role.rolreplication THEN 'replication' END,
        CASE WHEN role.rolbypassrls THEN 'bypassrls' END,
        role.rolconnlimit || ' connections',
        'until ' || nullif(role.rolvaliduntil, 'infinity')
    ),
    shobj_description(role.oid, 'pg_authid')
FROM pg_roles AS role
WHERE starts_with(role.rolname, 'mart_')
ORDER BY 1

-- name: settings
SELECT role.rolname, setting.setdatabase <> 0, lower(split_part(given.line, '=', 1)),
    substr(given.line, strpos(given.line, '=') + 1)
FROM pg_db_role_setting AS setting
JOIN pg_roles AS role ON role.oid = setting.setrole
CROSS JOIN LATERAL unnest(setting.setconfig) AS given(line)
WHERE starts_with(role.rolname, 'mart_')
  AND setting.setdatabase IN (
      0, (SELECT oid FROM pg_database WHERE datname = current_database())
  )

-- name: members
SELECT member.rolname, whole.rolname
FROM pg_auth_members AS link
JOIN pg_roles AS whole ON whole.oid = link.roleid
JOIN pg_roles AS member ON member.oid = link.member
WHERE (starts_with(whole.rolname, 'mart_') AND member.rolname <> current_user)
   OR starts_with(member.rolname, 'mart_')
ORDER BY 1, 2

-- name: schemas
SELECT nspname, pg_get_userbyid(nspowner) = current_user
FROM pg_namespace
WHERE starts_with(nspname, 'mart_')
ORDER BY 1

-- name: relations
SELECT schema.nspname, '"' || replace(relation.relname, '"', '""') || '"',
    CASE relation.relkind WHEN 'v' THEN NULL WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence' ELSE 'table' END,
    pg_get_userbyid(relation.relowner) = current_user,
    obj_description(relation.oid, 'pg_class'),
    CASE WHEN relation.relkind = 'v' THEN
        md5(concat_ws(';', pg_get_viewdef(relation.oid), array_to_string(relation.reloptions, ',')))
    END
FROM pg_class AS relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE starts_with(schema.nspname, 'mart_') AND relation.relkind NOT IN ('i', 'I', 't', 'c')
  AND (%(schema)s::text IS NULL OR schema.nspname = %(schema)s)

-- name: routines
SELECT schema.nspname,
    '"' || replace(routine.proname, '"', '""') || '"(' || pg_get_function_identity_arguments(routine.oid) || ')',
    pg_get_userbyid(routine.proowner) = current_user,
    obj_description(routine.oid, 'pg_proc'),
    CASE WHEN routine.prokind = 'f' THEN md5(pg_get_functiondef(routine.oid)) END
FROM pg_proc AS routine
JOIN pg_namespace AS schema ON schema.oid = routine.pronamespace
WHERE starts_with(schema.nspname, 'mart_')
  AND (%(schema)s::text IS NULL OR schema.nspname = %(schema)s)

-- name: rights
-- Of marts' roles on anything, of anybody on what is in a mart, of everybody on the fund. Things are
-- named so that the names can stand in a statement.
WITH thing AS (
    SELECT nspname AS schema, 'SCHEMA "' || replace(nspname, '"', '""') || '"' AS name, NULL AS part,
        nspowner AS owner, nspacl AS rights
    FROM pg_namespace
    UNION ALL
    SELECT schema.nspname,
        CASE relation.relkind WHEN 'S' THEN 'SEQUENCE "' ELSE 'TABLE "' END
            || replace(schema.nspname, '"', '""') || '"."' || replace(relation.relname, '"', '""')
            || '"',
        part.name, relation.relowner, part.rights
    FROM pg_class AS relation
    JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
    CROSS JOIN LATERAL (
        SELECT NULL AS name, relation.relacl AS rights
        UNION ALL
        SELECT '("' || replace(attname, '"', '""') || '")', attacl
        FROM pg_attribute
        WHERE attrelid = relation.oid AND attacl IS NOT NULL
    ) AS part
    UNION ALL
    SELECT schema.nspname,
        'ROUTINE "' || replace(schema.nspname, '"', '""') || '"."'
            || replace(routine.proname, '"', '""') || '"('
            || pg_get_function_identity_arguments(routine.oid) || ')',
        NULL, routine.proowner,
        CASE WHEN starts_with(schema.nspname, 'mart_')
            THEN coalesce(routine.proacl, acldefault('f', routine.proowner)) ELSE routine.proacl END
    FROM pg_proc AS routine
    JOIN pg_namespace AS schema ON schema.oid = routine.pronamespace
    WHERE routine.proacl IS NOT NULL OR starts_with(schema.nspname, 'mart_')
    UNION ALL
    SELECT NULL, 'DATABASE "' || replace(datname, '"', '""') || '"', NULL, datdba,
        coalesce(datacl, acldefault('d', datdba))
    FROM pg_database
    WHERE datname = current_database()
)
SELECT coalesce(holder.rolname, 'PUBLIC'), thing.name,
    concat_ws(' ', given.privilege_type, thing.part,
        CASE WHEN given.is_grantable THEN 'WITH GRANT OPTION' END)
FROM thing
CROSS JOIN LATERAL aclexplode(thing.rights) AS given
LEFT JOIN pg_roles AS holder ON holder.oid = given.grantee
WHERE starts_with(holder.rolname, 'mart_')
   OR (starts_with(thing.schema, 'mart_') AND given.grantee <> thing.owner)
   OR (given.grantee = 0 AND (
       thing.schema IN ('bus', 'history', 'current', 'past')
       OR (thing.schema = 'public' AND thing.name LIKE 'SCHEMA %%'
           AND given.privilege_type = 'CREATE')
       OR (thing.schema IS NULL AND given.privilege_type <> 'CONNECT')))
