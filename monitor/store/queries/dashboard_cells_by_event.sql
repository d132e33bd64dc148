-- As dashboard_cells.sql, but by when exchanges happened, from the hourly rollup's quarters, and of all chat logs.
SELECT
    intDiv(toInt64(toUnixTimestamp(q.begins_at)) * 1000000, {tile_us:Int64}) AS tile,
    toString(q.model)                                            AS model_key,
    toString(q.category)                                         AS category_key,
    sum(q.events)                                                AS events,
    sum(q.to_be_scored)                                          AS to_be_scored,
    sum(q.answered)                                              AS answered,
    sum(q.responded)                                             AS responded,
    sum(q.refused)                                               AS refused_n,
    sum(q.harmless)                                              AS harmless,
    sum(q.harmless_refused)                                      AS harmless_refused,
    sum(q.harmful)                                               AS harmful,
    sum(q.harmful_refused)                                       AS harmful_refused,
    sum(q.harmful_prompts)                                       AS harmful_prompts,
    sum(q.harmful_responses)                                     AS harmful_responses
FROM quarters AS q
WHERE q.begins_at >= {since:DateTime64(6, 'UTC')} AND q.begins_at < {until:DateTime64(6, 'UTC')}
  AND (NOT {is_one_tenant:Bool} OR q.tenant = {tenant:String})
GROUP BY tile, model_key, category_key
HAVING events > 0
ORDER BY tile, model_key, category_key
