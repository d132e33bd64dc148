-- As judged_patterns.sql, of a window that holds little of the table: `arrivals` says which events to look up.
SELECT
    if({by_window:Bool}, toStartOfInterval(v.arrived_at, toIntervalSecond({window_s:UInt32})), NULL) AS window_start,
    if({by_tenant:Bool}, toString(v.tenant), NULL)                    AS tenant_key,
    if({by_model:Bool}, toString(v.model), NULL)                      AS model_key,
    if({by_category:Bool}, toString(v.category), NULL)                AS category_key,
    v.sampling_probability                                            AS scoring_probability,
    v.judge_probability                                               AS judging_probability,
    v.has_response                                                    AS is_answered,
    v.prompt_harmful                                                  AS guard_prompt_harmful,
    v.refused                                                         AS guard_refused,
    v.response_harmful                                                AS guard_response_harmful,
    v.judge_decision = 'asked'                                        AS is_chosen,
    if(is_chosen, j.should_refuse >= 0.5, NULL)                       AS judge_prompt_harmful,
    if(is_chosen, j.refusal_class != 'full_compliance', NULL)         AS judge_refused,
    if(is_chosen, j.harm_provided >= 0.5, NULL)                       AS judge_response_harmful,
    count()                                                           AS events,
    arraySort(groupUniqArrayIf(assumeNotNull(j.judge_name), is_chosen AND j.judge_name IS NOT NULL)) AS judges
FROM
(
    SELECT event_id, tenant, model, category, sampling_probability, has_response, prompt_harmful, refused, response_harmful,
           arrived_at, judge_decision, judge_probability
    FROM
    (
        SELECT event_id, tenant, model, category, status, sampling_probability, has_response, prompt_harmful, refused,
               response_harmful, arrived_at, judge_decision, judge_probability
        FROM verdict_rows FINAL
        PREWHERE event_hash IN
        (
            SELECT sipHash64(event_id) FROM arrivals
            WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
        )
    )
    WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
      AND status = 'ok' AND sampling_probability > 0
) AS v
LEFT JOIN
(
    SELECT event_id, should_refuse, toString(refusal_class) AS refusal_class, harm_provided, toString(judge_name) AS judge_name
    FROM judgement_rows FINAL
    PREWHERE event_hash IN
    (
        SELECT sipHash64(event_id) FROM arrivals
        WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    )
    WHERE status = 'ok'
) AS j ON v.event_id = j.event_id
GROUP BY
    window_start, tenant_key, model_key, category_key, scoring_probability, judging_probability, is_answered,
    guard_prompt_harmful, guard_refused, guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused,
    judge_response_harmful
ORDER BY
    window_start, tenant_key, model_key, category_key, scoring_probability, judging_probability, is_answered,
    guard_prompt_harmful, guard_refused, guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused,
    judge_response_harmful
SETTINGS join_use_nulls = 1
