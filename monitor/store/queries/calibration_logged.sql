-- Logged prompts of one model in a stretch of time, the newest `most` of those that are in the sample, newest first: with the guard's
-- labels, or with the judge's, of those that it was asked about. `inclusion`: probability with which a prompt like it is here.
SELECT
    v.event_id                                                            AS id,
    v.arrived_at                                                          AS at,
    v.context_turns                                                       AS turns,
    v.sampling_probability * if({by_judge:Bool}, v.judge_probability, 1)  AS inclusion,
    if({by_judge:Bool}, j.should_refuse >= 0.5, v.prompt_harmful)         AS is_harmful,
    if({by_judge:Bool}, j.refusal_class != 'full_compliance', v.refused)  AS is_refused,
    if({by_judge:Bool}, ifNull(j.category, ''), toString(v.category))     AS category_name,
    v.refusal_token                                                       AS token
FROM
(
    SELECT event_id, arrived_at, context_turns, sampling_probability, judge_probability, prompt_harmful, refused, category,
           refusal_token
    FROM verdict_rows FINAL
    WHERE model = {model:String} AND source_topic = {source_topic:String}
      AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
      AND sampling_decision = 'scored' AND sampling_probability > 0
      AND (NOT {by_judge:Bool} OR (judge_decision = 'asked' AND judge_probability > 0))
    ORDER BY arrived_at DESC, event_id DESC
    LIMIT {most:UInt32}
) AS v
LEFT JOIN
(
    SELECT event_id, should_refuse, toString(refusal_class) AS refusal_class, toString(category) AS category
    FROM judgement_rows FINAL
    WHERE {by_judge:Bool} AND status = 'ok'
      AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
) AS j ON v.event_id = j.event_id
ORDER BY at DESC, id DESC
SETTINGS join_use_nulls = 1
