-- Every call of one tenant's sessions, under every role they assumed. CloudTrail Lake.
-- Replace event_data_store_id by the id of the event data store, `acme` by the tenant, and the time.
SELECT
    eventTime,
    split_part(coalesce(userIdentity.sessionContext.sourceIdentity, element_at(requestParameters, 'sourceIdentity')), '=', 2) AS tenant,
    split_part(coalesce(userIdentity.sessionContext.sourceIdentity, element_at(requestParameters, 'sourceIdentity')), '=', 3) AS session,
    eventSource,
    eventName,
    element_at(requestParameters, 'modelId') AS model,
    userIdentity.sessionContext.sessionIssuer.userName AS role,
    userIdentity.invokedBy AS on_behalf,
    vpcEndpointId,
    sourceIPAddress,
    errorCode,
    eventID
FROM event_data_store_id
WHERE eventTime > '2026-11-21 00:00:00'
    AND (
        userIdentity.sessionContext.sourceIdentity LIKE 'agent=acme=%'
        OR element_at(requestParameters, 'sourceIdentity') LIKE 'agent=acme=%'
    )
ORDER BY eventTime
