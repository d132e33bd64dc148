CREATE VIEW IF NOT EXISTS thresholds_in_force
(
    fleet      LowCardinality(String) COMMENT 'Prefix of the consumer groups.',
    model      String COMMENT 'The model whose refusal tokens they are.',
    version    UInt64 COMMENT 'The calibration that they are of; 0 where there is none.',
    rule       LowCardinality(String) COMMENT 'single, category, sum or bias; empty where the model chooses its token itself.',
    thresholds Map(String, Float64) COMMENT 'By selected token for the category rule, else under the empty name.',
    newest     UInt64 COMMENT 'The newest calibration, in force or not.',
    state      LowCardinality(String) COMMENT 'How that one stands.',
    at         DateTime64(6, 'UTC') COMMENT 'Since when it does.'
)
AS SELECT
    fleet, model,
    if(state IN ('published', 'observed', 'kept'), version, before_version) AS version,
    if(state IN ('published', 'observed', 'kept'), rule, rule_before) AS rule,
    if(state IN ('published', 'observed', 'kept'), thresholds, thresholds_before) AS thresholds,
    newest_version AS newest, state, at
FROM
(
    SELECT *, version AS newest_version FROM calibrations ORDER BY fleet, model, version DESC LIMIT 1 BY fleet, model
)
COMMENT 'What decides about the refusal tokens of each model now: one row a model.'
