-- Counts by day (by the clocks of a time zone), tenant, model and category, by when exchanges happened.
WITH
    if(sampling_probability > 0, 1 / sampling_probability, 0) AS w,
    status = 'ok' AS is_ok,
    is_ok AND prompt_harmful AS is_harmful_prompt,
    is_ok AND has_response AS is_answered
SELECT
    toDate(toTimeZone(occurred_at, {zone:String}))                    AS day,
    toString(tenant)                                                  AS tenant_key,
    toString(model)                                                   AS model_key,
    toString(category)                                                AS category_key,
    count()                                                           AS events,
    countIf(is_ok)                                                    AS answered,
    countIf(status != 'skipped')                                      AS to_be_scored,
    countIf(status = 'unknown')                                       AS unknown,
    countIf(status = 'error')                                         AS errors,
    countIf(truncated)                                                AS truncated,
    countIf(arrived_at >= occurred_at + INTERVAL 1 HOUR)              AS late,
    countIf(judge_decision = 'asked')                                 AS judge_asked,
    countIf(judge_decision = 'sampled_out')                           AS judge_sampled_out,
    countIf(judge_decision = 'unscored')                              AS judge_unscored,
    countIf(judge_decision = 'off')                                   AS judge_off,
    sum(judge_probability)                                            AS judge_expected,
    sumIf(w, is_answered AND refused)                            AS refusal_n,
    sumIf(w, is_answered)                                        AS refusal_d,
    sumIf(w * w, is_answered)                               AS refusal_w2,
    sumIf(w, is_answered AND refused AND NOT prompt_harmful)     AS over_refusal_n,
    sumIf(w, is_answered AND NOT prompt_harmful)                 AS over_refusal_d,
    sumIf(w * w, is_answered AND NOT prompt_harmful)        AS over_refusal_w2,
    sumIf(w, is_answered AND NOT refused AND prompt_harmful)     AS under_refusal_n,
    sumIf(w, is_answered AND prompt_harmful)                     AS under_refusal_d,
    sumIf(w * w, is_answered AND prompt_harmful)            AS under_refusal_w2,
    sumIf(w, is_harmful_prompt)                                  AS prompt_harm_n,
    sumIf(w, is_ok)                                              AS prompt_harm_d,
    sumIf(w * w, is_ok)                                     AS prompt_harm_w2,
    sumIf(w, is_answered AND response_harmful)                   AS response_harm_n,
    sumIf(w, is_answered)                                        AS response_harm_d,
    sumIf(w * w, is_answered)                               AS response_harm_w2
FROM verdict_rows FINAL
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
    AND ({tenant:String} = '' OR tenant = {tenant:String})
    AND ({model:String} = '' OR model = {model:String})
GROUP BY day, tenant_key, model_key, category_key
ORDER BY day, tenant_key, model_key, category_key
