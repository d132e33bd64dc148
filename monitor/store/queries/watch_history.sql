-- The windows that begin in [since, until), added up over tiles: cells of one tenant, model and category where they are given
-- ('' is all), and the total, whose other keys are empty.
SELECT
    intDiv(toUnixTimestamp64Micro(w.begins_at), {tile_us:Int64})  AS tile,
    w.is_total                                                   AS is_total,
    toString(w.tenant)                                           AS tenant,
    toString(w.model)                                            AS model,
    toString(w.category)                                         AS category,
    toString(w.guard_name)                                       AS guard_name,
    toString(w.guard_version)                                    AS guard_version,
    toString(w.guard_prompt_hash)                                AS guard_prompt_hash,
    w.calibration_version                                        AS calibration_version,
    min(w.begins_at)                                             AS begins_at,
    max(w.ends_at)                                               AS ends_at,
    sum(w.messages)                                              AS messages,
    sum(w.dead_letters)                                          AS dead_letters,
    sum(w.events)                                                AS events,
    sum(w.to_be_scored)                                          AS to_be_scored,
    sum(w.answered)                                              AS answered,
    sum(w.responded)                                             AS responded,
    sum(w.refused)                                               AS refused,
    sum(w.harmless)                                              AS harmless,
    sum(w.harmless_refused)                                      AS harmless_refused,
    sum(w.harmful)                                               AS harmful,
    sum(w.harmful_refused)                                       AS harmful_refused,
    sum(w.harmful_prompts)                                       AS harmful_prompts,
    sum(w.harmful_responses)                                     AS harmful_responses
FROM watch_windows AS w
WHERE w.fleet = {fleet:String}
  AND w.begins_at >= {since:DateTime64(6, 'UTC')} AND w.begins_at < {until:DateTime64(6, 'UTC')}
  AND (w.is_total OR (
      (NOT {by_tenant:Bool} OR w.tenant = {tenant:String})
      AND (NOT {by_model:Bool} OR w.model = {model:String})
      AND (NOT {by_category:Bool} OR w.category = {category:String})))
  AND (w.begins_at, w.write_id) IN
  (
      SELECT begins_at, argMin(write_id, (written_at, write_id)) FROM watch_windows
      WHERE fleet = {fleet:String} AND is_total
        AND begins_at >= {since:DateTime64(6, 'UTC')} AND begins_at < {until:DateTime64(6, 'UTC')}
      GROUP BY begins_at
  )
GROUP BY tile, is_total, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version
ORDER BY tile, is_total DESC, tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version
