-- A week's judging: how many exchanges were chosen and why, how many were answered, and how many each drawn one stands for.
SELECT
    toString(judge_name)                                        AS judge,
    toString(judge_version)                                     AS version,
    toString(reason)                                            AS why,
    count()                                                     AS judged,
    countIf(status = 'ok')                                      AS answered,
    countIf(status = 'unknown')                                 AS unknown,
    countIf(status = 'error')                                   AS errors,
    countIf(truncated)                                          AS shortened,
    sumIf(if(probability > 0, 1 / probability, 0), status = 'ok') AS stands_for,
    uniqExact(policy)                                           AS policies,
    min(probability)                                            AS least_probability
FROM judgements
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
    AND ({tenant:String} = '' OR tenant = {tenant:String})
    AND ({model:String} = '' OR model = {model:String})
GROUP BY judge, version, why
ORDER BY judged DESC, judge, version, why
LIMIT 50
