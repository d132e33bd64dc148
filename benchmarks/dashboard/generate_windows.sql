INSERT INTO watch_windows
(
    fleet, begins_at, ends_at, is_total, messages, dead_letters, tenant, model, category, guard_name, guard_version,
    guard_prompt_hash, calibration_version, events, to_be_scored, answered, responded, refused, harmless, harmless_refused,
    harmful, harmful_refused, harmful_prompts, harmful_responses, write_id, written_at
)
WITH
    {tenants:Array(String)} AS tenants, {models:Array(String)} AS models, {categories:Array(String)} AS categories,
    length(tenants) * length(models) * length(categories) + 1 AS width,
    intDiv(number, width) AS window,
    toUInt32(number % width) AS place,
    place = 0 AS is_whole,
    toUInt32(if(is_whole, 0, place - 1)) AS cell,
    categories[cell % length(categories) + 1] AS its_category,
    its_category = 'benign' AS is_benign,
    toUInt64(1 + sipHash64(number, 1) % 4) AS n,
    toUInt64(least(n, sipHash64(number, 2) % 3)) AS k
SELECT
    {fleet:String},
    {since:DateTime64(6, 'UTC')} + toIntervalSecond(window * {window_s:UInt32}),
    {since:DateTime64(6, 'UTC')} + toIntervalSecond((window + 1) * {window_s:UInt32}),
    is_whole,
    if(is_whole, 2 * width, 0), if(is_whole, window % 7 = 0, 0),
    if(is_whole, '', tenants[intDiv(cell, length(models) * length(categories)) + 1]),
    if(is_whole, '', models[intDiv(cell, length(categories)) % length(models) + 1]),
    if(is_whole, '', its_category),
    if(is_whole, '', 'guard_lite'), if(is_whole, '', '1'), if(is_whole, '', '0123456789abcdef'), 0,
    if(is_whole, 0, n), if(is_whole, 0, n), if(is_whole, 0, n), if(is_whole, 0, n), if(is_whole, 0, k),
    if(is_whole OR NOT is_benign, 0, n), if(is_whole OR NOT is_benign, 0, k),
    if(is_whole OR is_benign, 0, n), if(is_whole OR is_benign, 0, k),
    if(is_whole OR is_benign, 0, n), if(is_whole OR is_benign, 0, intDiv(n - k, 2)),
    toString(window), {since:DateTime64(6, 'UTC')}
FROM numbers({windows:UInt64} * (length({tenants:Array(String)}) * length({models:Array(String)}) * length({categories:Array(String)}) + 1))
