ALTER TABLE pattern_rows
    ADD COLUMN IF NOT EXISTS category LowCardinality(String) COMMENT 'Risk category by the guard.' AFTER model,
    MODIFY ORDER BY (is_total, begins_at, tenant, model, scoring_probability, judging_probability, is_answered, guard_prompt_harmful, guard_refused, guard_response_harmful, is_chosen, judge_prompt_harmful, judge_refused, judge_response_harmful, category)
