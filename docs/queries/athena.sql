-- Every call of one tenant's sessions, under every role they assumed. Athena, over the table of athena-table.sql.
-- Replace `acme` by the tenant, and the day.
SELECT
    eventtime,
    split_part(coalesce(useridentity.sessioncontext.sourceidentity, json_extract_scalar(requestparameters, '$.sourceIdentity')), '=', 2) AS tenant,
    split_part(coalesce(useridentity.sessioncontext.sourceidentity, json_extract_scalar(requestparameters, '$.sourceIdentity')), '=', 3) AS session,
    eventsource,
    eventname,
    json_extract_scalar(requestparameters, '$.modelId') AS model,
    useridentity.sessioncontext.sessionissuer.username AS role,
    useridentity.invokedby AS on_behalf,
    vpcendpointid,
    sourceipaddress,
    errorcode,
    eventid
FROM cloudtrail_sessions
WHERE day >= '2026/11/21'
    AND (
        useridentity.sessioncontext.sourceidentity LIKE 'agent=acme=%'
        OR json_extract_scalar(requestparameters, '$.sourceIdentity') LIKE 'agent=acme=%'
    )
ORDER BY eventtime
