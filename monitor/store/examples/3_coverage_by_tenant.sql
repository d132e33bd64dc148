-- Coverage: the share of each tenant's exchanges that the guard could judge, of those that were to be scored.
SELECT tenant, countIf(status = 'ok') AS judged, countIf(status != 'skipped') AS to_be_scored, round(judged / to_be_scored, 4) AS coverage
FROM verdicts
GROUP BY tenant
ORDER BY tenant
