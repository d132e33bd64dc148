-- Calibrations of refusal tokens that were in force in a week, or came into a state in it, newest first.
SELECT
    model,
    version,
    toString(state)                              AS state_now,
    at,
    by,
    reason,
    toString(rule)                               AS rule_now,
    thresholds,
    published_at,
    evidence
FROM calibrations
WHERE fleet = {fleet:String}
    AND at < {until:DateTime64(6, 'UTC')}
    AND (at >= {since:DateTime64(6, 'UTC')} OR (model, version) IN (SELECT model, version FROM thresholds_in_force WHERE fleet = {fleet:String}))
    AND ({model:String} = '' OR model = {model:String})
ORDER BY at DESC, model, version
LIMIT 50
