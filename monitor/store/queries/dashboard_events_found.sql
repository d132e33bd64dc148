-- What is stored of the events with these hashes that arrived in [since, until) and are wanted (dashboard_event_ids.sql), newest first.
SELECT
    event_id, toString(tenant) AS tenant_key, toString(model) AS model_key, toString(category) AS category_key, status, refused,
    prompt_harmful, response_harmful, refusal, prompt_harm, response_harm, occurred_at, arrived_at, excerpt_policy,
    prompt_excerpt, response_excerpt
FROM verdict_rows FINAL
PREWHERE event_hash IN (SELECT arrayJoin({hashes:Array(UInt64)}))
WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
  AND (empty({tenants:Array(String)}) OR tenant IN {tenants:Array(String)})
  AND (empty({models:Array(String)}) OR model IN {models:Array(String)})
  AND (empty({categories:Array(String)}) OR category IN {categories:Array(String)})
  AND multiIf(
      {found:String} = 'refused', ifNull(refused, false),
      {found:String} = 'over_refused', ifNull(refused AND NOT prompt_harmful, false),
      {found:String} = 'complied', ifNull(NOT refused AND prompt_harmful, false),
      {found:String} = 'harmful', ifNull(prompt_harmful, false) OR ifNull(response_harmful, false),
      {found:String} = 'unanswered', status != 'ok',
      true)
ORDER BY arrived_at DESC, event_id
LIMIT {limit:UInt32}
