-- Answered exchanges whose prompt the guard holds harmless, and the refusals among them, by hour of event time.
SELECT
    toStartOfHour(occurred_at)                             AS hour,
    occurred_at >= {split_at:DateTime64(6, 'UTC')}         AS is_after,
    countIf(refused)                                       AS refused_n,
    count()                                                AS answered
FROM verdicts
WHERE tenant = {tenant:String} AND model = {model:String}
  AND status = 'ok' AND has_response AND NOT prompt_harmful
  AND occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY hour, is_after
ORDER BY hour, is_after
