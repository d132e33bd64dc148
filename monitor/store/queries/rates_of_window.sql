-- Rates of a window that holds little of the table: `arrivals`, in order of arrival, says which events to look up.
-- An event's other deliveries are found with it, so what counts and when is decided by all of them.
WITH
    if(sampling_probability > 0, 1 / sampling_probability, 0) AS weight,
    status = 'ok' AS is_ok,
    is_ok AND prompt_harmful AS is_harmful_prompt,
    is_ok AND has_response AS is_answered
SELECT
    if({by_window:Bool}, toStartOfInterval(arrived_at, toIntervalSecond({window_s:UInt32})), NULL) AS window_start,
    if({by_tenant:Bool}, toString(tenant), NULL)                      AS tenant_key,
    if({by_model:Bool}, toString(model), NULL)                        AS model_key,
    if({by_category:Bool}, toString(category), NULL)                  AS category_key,
    count()                                                           AS events,
    countIf(is_ok)                                                    AS answered,
    countIf(status != 'skipped')                                      AS to_be_scored,
    sumIf(weight, is_answered AND refused)                            AS refusal_n,
    sumIf(weight, is_answered)                                        AS refusal_d,
    sumIf(weight * weight, is_answered)                               AS refusal_w2,
    sumIf(weight, is_answered AND refused AND NOT prompt_harmful)     AS over_refusal_n,
    sumIf(weight, is_answered AND NOT prompt_harmful)                 AS over_refusal_d,
    sumIf(weight * weight, is_answered AND NOT prompt_harmful)        AS over_refusal_w2,
    sumIf(weight, is_answered AND NOT refused AND prompt_harmful)     AS under_refusal_n,
    sumIf(weight, is_answered AND prompt_harmful)                     AS under_refusal_d,
    sumIf(weight * weight, is_answered AND prompt_harmful)            AS under_refusal_w2,
    sumIf(weight, is_harmful_prompt)                                  AS prompt_harm_n,
    sumIf(weight, is_ok)                                              AS prompt_harm_d,
    sumIf(weight * weight, is_ok)                                     AS prompt_harm_w2,
    sumIf(weight, is_answered AND response_harmful)                   AS response_harm_n,
    sumIf(weight, is_answered)                                        AS response_harm_d,
    sumIf(weight * weight, is_answered)                               AS response_harm_w2
FROM
(
    SELECT tenant, model, category, status, sampling_probability, has_response, prompt_harmful, refused, response_harmful, arrived_at
    FROM verdict_rows FINAL
    PREWHERE event_hash IN
    (
        SELECT sipHash64(event_id) FROM arrivals
        WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    )
)
WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
GROUP BY window_start, tenant_key, model_key, category_key
ORDER BY window_start, tenant_key, model_key, category_key
