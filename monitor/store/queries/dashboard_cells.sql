-- Counts by tile of arrival, model and category, from the closed windows that begin in [since, until): of one tenant, or of all
-- ('' and is_one_tenant = false).
SELECT
    intDiv(toUnixTimestamp64Micro(w.begins_at), {tile_us:Int64})  AS tile,
    toString(w.model)                                            AS model_key,
    toString(w.category)                                         AS category_key,
    sum(w.events)                                                AS events,
    sum(w.to_be_scored)                                          AS to_be_scored,
    sum(w.answered)                                              AS answered,
    sum(w.responded)                                             AS responded,
    sum(w.refused)                                               AS refused_n,
    sum(w.harmless)                                              AS harmless,
    sum(w.harmless_refused)                                      AS harmless_refused,
    sum(w.harmful)                                               AS harmful,
    sum(w.harmful_refused)                                       AS harmful_refused,
    sum(w.harmful_prompts)                                       AS harmful_prompts,
    sum(w.harmful_responses)                                     AS harmful_responses
FROM watch_windows AS w
WHERE w.fleet = {fleet:String} AND NOT w.is_total
  AND w.begins_at >= {since:DateTime64(6, 'UTC')} AND w.begins_at < {until:DateTime64(6, 'UTC')}
  AND (NOT {is_one_tenant:Bool} OR w.tenant = {tenant:String})
  AND w.write_id IN
  (
      SELECT argMin(write_id, (written_at, write_id)) FROM watch_windows
      WHERE fleet = {fleet:String} AND is_total
        AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
      GROUP BY begins_at
  )
GROUP BY tile, model_key, category_key
ORDER BY tile, model_key, category_key
