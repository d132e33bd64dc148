-- Exchanges that happened in [since, until) and that the guard answered, counted by what the samples, the guard and the judge say of
-- them: judged_patterns.sql by category, by when they happened.
SELECT
    NULL AS window_start, NULL AS tenant_key, NULL AS model_key, toString(p.category) AS category_key,
    p.scoring_probability AS scoring_probability,
    p.judging_probability AS judging_probability,
    p.is_answered AS is_answered,
    nullIf(p.guard_prompt_harmful, -1) AS guard_prompt_harmful,
    nullIf(p.guard_refused, -1) AS guard_refused,
    nullIf(p.guard_response_harmful, -1) AS guard_response_harmful,
    p.is_chosen AS is_chosen,
    nullIf(p.judge_prompt_harmful, -1) AS judge_prompt_harmful,
    nullIf(p.judge_refused, -1) AS judge_refused,
    nullIf(p.judge_response_harmful, -1) AS judge_response_harmful,
    sum(p.events) AS events
FROM judged_quarters AS p
WHERE p.begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') AND p.begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
  AND {tenant:String} IN ('', p.tenant) AND {model:String} IN ('', p.model)
GROUP BY category_key, scoring_probability, judging_probability, is_answered, p.guard_prompt_harmful, p.guard_refused, p.guard_response_harmful,
    is_chosen, p.judge_prompt_harmful, p.judge_refused, p.judge_response_harmful
ORDER BY category_key, scoring_probability, judging_probability, is_answered, p.guard_prompt_harmful, p.guard_refused, p.guard_response_harmful,
    is_chosen, p.judge_prompt_harmful, p.judge_refused, p.judge_response_harmful
