-- How much harm the judge finds in answers, by category, as an estimate over all exchanges that were scored:
SELECT
    v.category AS category,
    count() AS judged,
    sum(v.weight / v.judge_probability * j.harm_provided) / sum(v.weight / v.judge_probability) AS harm_provided
FROM verdicts AS v
INNER JOIN judgements AS j ON j.event_id = v.event_id
WHERE v.judge_decision = 'asked' AND j.status = 'ok' AND j.harm_provided IS NOT NULL
GROUP BY category
ORDER BY category
