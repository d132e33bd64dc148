-- Audits of models' hidden states up to the end of a week, newest first, one row a value: those measures that tell separation, by name.
SELECT
    id AS audit_id,
    series,
    at,
    toString(model)      AS model_key,
    model_version,
    toString(anchor_set) AS set_key,
    toString(state)      AS outcome,
    toString(reason)     AS why,
    toString(layer)      AS layer_key,
    toString(measure)    AS measure_key,
    value,
    low,
    high,
    before,
    change_low,
    change_high,
    change_p,
    has_changed
FROM audits
WHERE fleet = {fleet:String}
    AND at >= {since:DateTime64(6, 'UTC')} AND at < {until:DateTime64(6, 'UTC')}
    AND ({model:String} = '' OR model = {model:String})
    AND measure IN ('', 'j', 'aqi_section_3', 'aqi_appendix_b', 'aqi_released')
ORDER BY at DESC, id, layer_key, measure_key
LIMIT 5000
