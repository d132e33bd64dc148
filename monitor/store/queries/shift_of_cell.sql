-- A cell before and from a moment of event time on, as stored: what the guard counted, when the first exchange after that moment
-- arrived, and how many came until a moment of arrival. Empty keys are all.
SELECT
    occurred_at >= {split_at:DateTime64(6, 'UTC')}                          AS is_after,
    min(arrived_at)                                                         AS first_arrived_at,
    count()                                                                 AS exchanges,
    countIf(arrived_at < {until:DateTime64(6, 'UTC')})                      AS exchanges_until,
    countIf(status = 'ok' AND has_response)                                 AS responded,
    countIf(status = 'ok' AND has_response AND refused)                     AS refused_n,
    countIf(status = 'ok' AND has_response AND NOT prompt_harmful)          AS harmless,
    countIf(status = 'ok' AND has_response AND NOT prompt_harmful AND refused) AS harmless_refused
FROM verdicts
WHERE {tenant:String} IN ('', tenant) AND {model:String} IN ('', model) AND {category:String} IN ('', category)
GROUP BY is_after
ORDER BY is_after
