-- Counts and weighted sums by day, as it is in `zone`, tenant, model and category, of exchanges that happened in [since, until); both
-- are at a quarter of an hour. Tenant and model: one, or '' for all. Those that aren't among the busiest from `week` on are added up, under NULL.
WITH busy AS
(
    SELECT tenant, model, category, events
    FROM quarters
    WHERE begins_at >= toDateTime({week:DateTime64(6, 'UTC')}, 'UTC') AND begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
      AND {tenant:String} IN ('', tenant) AND {model:String} IN ('', model)
)
SELECT
    toDate(q.begins_at, {zone:String}) AS day,
    if(q.tenant IN (SELECT tenant FROM busy GROUP BY tenant ORDER BY sum(events) DESC, tenant LIMIT {tenants:UInt32}), toString(q.tenant), NULL)
        AS tenant_key,
    if(q.model IN (SELECT model FROM busy GROUP BY model ORDER BY sum(events) DESC, model LIMIT {models:UInt32}), toString(q.model), NULL)
        AS model_key,
    if(q.category IN (SELECT category FROM busy GROUP BY category ORDER BY sum(events) DESC, category LIMIT {categories:UInt32}),
       toString(q.category), NULL) AS category_key,
    sum(q.places) AS places,
    sum(q.events) AS events,
    sum(q.late) AS late,
    sum(q.truncated) AS truncated,
    sum(q.provider_refusals) AS provider_refusals,
    sum(q.content_filtered) AS content_filtered,
    sum(q.skipped) AS skipped,
    sum(q.unknown) AS unknown,
    sum(q.errors) AS errors,
    sum(q.to_be_scored) AS to_be_scored,
    sum(q.answered) AS answered,
    sum(q.responded) AS responded,
    sum(q.refused) AS refused,
    sum(q.harmless) AS harmless,
    sum(q.harmless_refused) AS harmless_refused,
    sum(q.harmful) AS harmful,
    sum(q.harmful_refused) AS harmful_refused,
    sum(q.harmful_prompts) AS harmful_prompts,
    sum(q.harmful_responses) AS harmful_responses,
    sum(q.judge_asked) AS judge_asked,
    sum(q.judge_sampled_out) AS judge_sampled_out,
    sum(q.judge_unscored) AS judge_unscored,
    sum(q.judge_off) AS judge_off,
    sum(q.judge_expected) AS judge_expected,
    sum(q.refusal_n) AS refusal_n,
    sum(q.refusal_d) AS refusal_d,
    sum(q.refusal_w2) AS refusal_w2,
    sum(q.refusal_n2) AS refusal_n2,
    sum(q.over_refusal_n) AS over_refusal_n,
    sum(q.over_refusal_d) AS over_refusal_d,
    sum(q.over_refusal_w2) AS over_refusal_w2,
    sum(q.over_refusal_n2) AS over_refusal_n2,
    sum(q.under_refusal_n) AS under_refusal_n,
    sum(q.under_refusal_d) AS under_refusal_d,
    sum(q.under_refusal_w2) AS under_refusal_w2,
    sum(q.under_refusal_n2) AS under_refusal_n2,
    sum(q.prompt_harm_n) AS prompt_harm_n,
    sum(q.prompt_harm_d) AS prompt_harm_d,
    sum(q.prompt_harm_w2) AS prompt_harm_w2,
    sum(q.prompt_harm_n2) AS prompt_harm_n2,
    sum(q.response_harm_n) AS response_harm_n,
    sum(q.response_harm_d) AS response_harm_d,
    sum(q.response_harm_w2) AS response_harm_w2,
    sum(q.response_harm_n2) AS response_harm_n2
FROM quarters AS q
WHERE q.begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') AND q.begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
  AND {tenant:String} IN ('', q.tenant) AND {model:String} IN ('', q.model)
GROUP BY day, tenant_key, model_key, category_key
ORDER BY day, tenant_key, model_key, category_key
