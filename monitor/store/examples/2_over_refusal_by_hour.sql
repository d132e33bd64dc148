-- Over-refusal by hour of arrival: refused, of the harmless prompts that were answered. Sums of weights correct for sampling.
SELECT
    toStartOfHour(arrived_at) AS hour,
    sumIf(weight, refused) AS over_refusals,
    sum(weight) AS harmless,
    round(over_refusals / harmless, 3) AS over_refusal_rate
FROM verdicts
WHERE status = 'ok' AND has_response AND NOT prompt_harmful
GROUP BY hour
ORDER BY hour
