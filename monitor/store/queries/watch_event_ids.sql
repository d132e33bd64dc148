-- Some of the events that a shift is about, the same ones whenever it is asked: those that are counted where there are more of
-- them than before, else those that aren't. `cells` are tenant, model and category, '' is all.
WITH
    status = 'ok' AS is_ok,
    is_ok AND has_response AS is_responded,
    multiIf(
        {measure:String} = 'refusal', is_responded,
        {measure:String} = 'over_refusal', is_responded AND NOT prompt_harmful,
        {measure:String} = 'under_refusal', is_responded AND prompt_harmful,
        {measure:String} = 'prompt_harm', is_ok,
        {measure:String} = 'response_harm', is_responded,
        {measure:String} = 'coverage', status != 'skipped',
        true) AS is_watched,
    multiIf(
        {measure:String} IN ('refusal', 'over_refusal'), ifNull(refused, false),
        {measure:String} = 'under_refusal', NOT ifNull(refused, false),
        {measure:String} = 'prompt_harm', ifNull(prompt_harmful, false),
        {measure:String} = 'response_harm', ifNull(response_harmful, false),
        {measure:String} = 'coverage', NOT is_ok,
        {is_more:Bool}) AS is_counted
SELECT event_id
FROM
(
    SELECT event_id, event_hash, toString(tenant) AS tenant, toString(model) AS model, toString(category) AS category, status,
           has_response, prompt_harmful, refused, response_harmful, arrived_at, source_topic
    FROM verdict_rows FINAL
    PREWHERE event_hash IN
    (
        SELECT sipHash64(event_id) FROM arrivals
        WHERE source_topic = {topic:String}
          AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
    )
)
WHERE source_topic = {topic:String}
  AND arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
  AND is_watched AND is_counted = {is_more:Bool}
  AND arrayExists(
      (t, m, c) -> t IN ('', tenant) AND m IN ('', model) AND c IN ('', category),
      {tenants:Array(String)}, {models:Array(String)}, {categories:Array(String)})
ORDER BY event_hash, event_id
LIMIT {limit:UInt32}
