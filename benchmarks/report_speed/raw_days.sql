-- report_days.sql on the rows themselves, each event once: what the quarters save.
WITH
    if(sampling_probability > 0, 1 / sampling_probability, 0) AS w,
    status = 'ok' AS is_ok,
    is_ok AND has_response AS is_answered
SELECT
    toDate(occurred_at, {zone:String})                                AS day,
    toString(tenant)                                                  AS tenant_key,
    toString(model)                                                   AS model_key,
    toString(category)                                                AS category_key,
    count()                                                           AS events,
    countIf(is_ok)                                                    AS answered,
    countIf(arrived_at > occurred_at + INTERVAL 1 HOUR)               AS late,
    countIf(truncated)                                                AS truncated,
    sumIf(w, is_answered AND refused)                                 AS refusal_n,
    sumIf(w, is_answered)                                             AS refusal_d,
    sumIf(w * w, is_answered)                                         AS refusal_w2,
    sumIf(w, is_answered AND refused AND NOT prompt_harmful)          AS over_refusal_n,
    sumIf(w, is_answered AND NOT prompt_harmful)                      AS over_refusal_d,
    sumIf(w, is_answered AND NOT refused AND prompt_harmful)          AS under_refusal_n,
    sumIf(w, is_answered AND prompt_harmful)                          AS under_refusal_d,
    sumIf(w, is_answered AND response_harmful)                        AS response_harm_n
FROM verdict_rows FINAL
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY day, tenant_key, model_key, category_key
ORDER BY day, tenant_key, model_key, category_key
