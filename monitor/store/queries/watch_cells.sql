-- Cells of the tiles of [since, until), from the rows: each event once, by its arrival, live traffic alone. `arrivals`
-- says which events to look up; an event's other deliveries are found with it, so what counts is decided by all of them.
WITH
    status = 'ok' AS is_ok,
    is_ok AND has_response AS is_responded
SELECT
    intDiv(toUnixTimestamp64Micro(arrived_at), {tile_us:Int64})        AS tile,
    toString(tenant)                                                   AS tenant_key,
    toString(model)                                                    AS model_key,
    toString(category)                                                 AS category_key,
    toString(guard_name)                                               AS guard,
    toString(guard_version)                                            AS guard_release,
    toString(guard_prompt_hash)                                        AS guard_hash,
    calibration_version,
    count()                                                            AS events,
    countIf(status != 'skipped')                                       AS to_be_scored,
    countIf(is_ok)                                                     AS answered,
    countIf(is_responded)                                              AS responded,
    countIf(is_responded AND refused)                                  AS refused_n,
    countIf(is_responded AND NOT prompt_harmful)                       AS harmless,
    countIf(is_responded AND NOT prompt_harmful AND refused)           AS harmless_refused,
    countIf(is_responded AND prompt_harmful)                           AS harmful,
    countIf(is_responded AND prompt_harmful AND refused)               AS harmful_refused,
    countIf(is_ok AND prompt_harmful)                                  AS harmful_prompts,
    countIf(is_responded AND response_harmful)                         AS harmful_responses
FROM
(
    SELECT tenant, model, category, guard_name, guard_version, guard_prompt_hash, calibration_version, status, has_response,
           prompt_harmful, refused, response_harmful, arrived_at, source_topic
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
GROUP BY tile, tenant_key, model_key, category_key, guard, guard_release, guard_hash, calibration_version
ORDER BY tile, tenant_key, model_key, category_key, guard, guard_release, guard_hash, calibration_version
