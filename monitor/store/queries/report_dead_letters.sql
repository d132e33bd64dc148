-- Bad messages by reason, in a week and in the one before it, by arrival: most have no other time that could be read.
SELECT
    toString(reason)                                                                        AS why,
    countIf(arrived_at >= {since:DateTime64(6, 'UTC')})                                     AS now,
    countIf(arrived_at < {since:DateTime64(6, 'UTC')})                                      AS before
FROM dead_letters
WHERE arrived_at >= {before:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
GROUP BY why
ORDER BY now DESC, before DESC, why
LIMIT 50
