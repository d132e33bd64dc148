-- Which guards, and thresholds, the exchanges of [since, until) were judged by, and from when to when, to a quarter of an hour.
SELECT
    toString(q.guard_name) AS guard, toString(q.guard_version) AS version, toString(q.guard_prompt_hash) AS prompt_hash,
    q.calibration_version AS calibration, sum(q.events) AS events, toDateTime64(min(q.begins_at), 6, 'UTC') AS first_at,
    least(toDateTime64(max(q.begins_at), 6, 'UTC') + INTERVAL 15 MINUTE, {until:DateTime64(6, 'UTC')}) AS last_at
FROM quarters AS q
WHERE q.begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') AND q.begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
  AND {tenant:String} IN ('', q.tenant) AND {model:String} IN ('', q.model)
GROUP BY guard, version, prompt_hash, calibration
HAVING events > 0
ORDER BY first_at, guard, version, prompt_hash, calibration
LIMIT 50
