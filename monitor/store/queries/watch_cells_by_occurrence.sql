-- As watch_cells.sql, but by when exchanges happened, and of all chat logs: what was replayed has its own time there.
SELECT
    intDiv(toUnixTimestamp64Micro(v.occurred_at), {tile_us:Int64})           AS tile,
    toString(v.tenant)                                                      AS tenant_key,
    toString(v.model)                                                       AS model_key,
    toString(v.category)                                                    AS category_key,
    toString(v.guard_name)                                                  AS guard,
    toString(v.guard_version)                                               AS guard_release,
    toString(v.guard_prompt_hash)                                           AS guard_hash,
    v.calibration_version                                                   AS calibration_version,
    count()                                                                 AS events,
    countIf(v.status != 'skipped')                                          AS to_be_scored,
    countIf(v.status = 'ok')                                                AS answered,
    countIf(v.status = 'ok' AND v.has_response)                             AS responded,
    countIf(v.status = 'ok' AND v.has_response AND v.refused)               AS refused_n,
    countIf(v.status = 'ok' AND v.has_response AND NOT v.prompt_harmful)    AS harmless,
    countIf(v.status = 'ok' AND v.has_response AND NOT v.prompt_harmful AND v.refused) AS harmless_refused,
    countIf(v.status = 'ok' AND v.has_response AND v.prompt_harmful)        AS harmful,
    countIf(v.status = 'ok' AND v.has_response AND v.prompt_harmful AND v.refused) AS harmful_refused,
    countIf(v.status = 'ok' AND v.prompt_harmful)                           AS harmful_prompts,
    countIf(v.status = 'ok' AND v.has_response AND v.response_harmful)      AS harmful_responses
FROM verdict_rows AS v FINAL
WHERE v.occurred_at >= {since:DateTime64(6, 'UTC')} AND v.occurred_at < {until:DateTime64(6, 'UTC')}
GROUP BY tile, tenant_key, model_key, category_key, guard, guard_release, guard_hash, calibration_version
ORDER BY tile, tenant_key, model_key, category_key, guard, guard_release, guard_hash, calibration_version
