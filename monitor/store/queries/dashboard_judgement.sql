-- What a judge said of one event.
SELECT
    judge_name, judge_version, judged_at, reason, status, toString(category) AS category_key, category_probability, should_refuse,
    refusal_class, refusal_class_probability, harm_provided, care_domain, care_overall, care_strategy, over_intervention
FROM judgement_rows FINAL
PREWHERE event_hash = sipHash64({id:String})
WHERE event_id = {id:String}
