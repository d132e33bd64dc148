-- Alerts that fired at some time of a week, as they stand now, oldest first.
SELECT
    id,
    toString(kind)     AS kind,
    toString(severity) AS severity,
    toString(state)    AS state,
    started_at,
    at,
    ended_at,
    title,
    place,
    remedy,
    evidence
FROM alerts
WHERE fleet = {fleet:String}
    AND started_at < {until:DateTime64(6, 'UTC')}
    AND (ended_at IS NULL OR ended_at >= {since:DateTime64(6, 'UTC')})
    AND ({tenant:String} = '' OR place['tenant'] IN ('', {tenant:String}))
    AND ({model:String} = '' OR place['model'] IN ('', {model:String}))
ORDER BY started_at, id
LIMIT 500
