-- Who labelled a week's exchanges, with which thresholds, and from when to when.
SELECT
    toString(guard_name)    AS guard,
    toString(guard_version) AS version,
    toString(guard_prompt_hash) AS prompt_hash,
    calibration_version     AS calibration,
    count()                 AS events,
    min(occurred_at)        AS first_at,
    max(occurred_at)        AS last_at
FROM verdict_rows FINAL
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
    AND ({tenant:String} = '' OR tenant = {tenant:String})
    AND ({model:String} = '' OR model = {model:String})
GROUP BY guard, version, prompt_hash, calibration
ORDER BY first_at, guard, version, calibration
LIMIT 50
