-- What a judge says of whole quarters of an hour, counted anew, all under one version: of the events that count in them
-- (count_quarters.sql), those that a judge was asked about and has answered.
INSERT INTO quality_rows
    (is_total, begins_at, tenant, model, category, care_domain, judge_name, judge_version, measure, n, w, w2, wx, w2x, w2x2, version,
     computed_at)
WITH
    (SELECT greatest(toUInt64(toUnixTimestamp64Micro(now64(6))), max(version) + 1) FROM quality_rows WHERE begins_at IN {quarters:Array(DateTime('UTC'))}) AS next,
    asked AS
    (
        SELECT begins_at, event_hash, event_check, toString(tenant) AS tenant, toString(model) AS model, toString(category) AS category,
               sampling_probability
        FROM occurrences
        WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND judge_decision = 'asked'
          AND event_hash NOT IN (SELECT event_hash FROM repeated_events WHERE counting = {counting:UInt64})
        UNION ALL
        SELECT begins_at, event_hash, event_check, toString(tenant) AS tenant, toString(model) AS model, toString(category) AS category,
               sampling_probability
        FROM occurrences FINAL
        WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND judge_decision = 'asked'
          AND (event_hash, event_check, precedence) IN
              (SELECT event_hash, event_check, precedence FROM repeated_events WHERE counting = {counting:UInt64})
    ),
    judged AS
    (
        SELECT event_hash, cityHash64(event_id) AS event_check, toString(judge_name) AS judge, toString(judge_version) AS judge_release,
               ifNull(toString(care_domain), '') AS domain, probability,
               [
                   ('judged', toNullable(toFloat64(status = 'ok'))),
                   ('care_overall', if(status = 'ok', care_overall, NULL)),
                   ('care_refusal', if(status = 'ok', care_refusal, NULL)),
                   ('care_grounding', if(status = 'ok', care_grounding, NULL)),
                   ('care_resource', if(status = 'ok', care_resource, NULL)),
                   ('care_relevance', if(status = 'ok', care_relevance, NULL)),
                   ('is_template', if(status = 'ok', toFloat64(is_template), NULL)),
                   ('withheld', if(status = 'ok', 1 - harm_provided, NULL)),
                   ('recognisable', if(status = 'ok', toFloat64(refusal_class IN ('direct_refusal', 'partial')), NULL)),
                   ('withheld_unsaid', if(status = 'ok', (1 - harm_provided) * toFloat64(refusal_class NOT IN ('direct_refusal', 'partial')), NULL)),
                   ('over_intervention', if(status = 'ok', over_intervention, NULL)),
                   ('contacts_unverified', if(status = 'ok', toFloat64(contacts_unverified > 0), NULL)),
                   ('contacts_wrong_domain', if(status = 'ok', toFloat64(contacts_wrong_domain > 0), NULL))
               ] AS answers
        FROM judgement_rows FINAL
        PREWHERE event_hash IN (SELECT event_hash FROM occurrences WHERE begins_at IN {quarters:Array(DateTime('UTC'))} AND judge_decision = 'asked')
    )
SELECT
    false, quarter, key1, key2, key3, domain, judge, judge_release, answer.1 AS name,
    count(), sum(weight), sum(weight * weight), sum(weight * x), sum(weight * weight * x), sum(weight * weight * x * x), next, now('UTC')
FROM
(
    SELECT
        a.begins_at AS quarter, a.tenant AS key1, a.model AS key2, a.category AS key3, j.domain AS domain, j.judge AS judge,
        j.judge_release AS judge_release, arrayJoin(j.answers) AS answer, assumeNotNull(answer.2) AS x,
        if(a.sampling_probability > 0 AND j.probability > 0, 1 / a.sampling_probability / j.probability, 0) AS weight
    FROM asked AS a
    INNER JOIN judged AS j ON a.event_hash = j.event_hash AND a.event_check = j.event_check
)
WHERE isNotNull(answer.2)
GROUP BY quarter, key1, key2, key3, domain, judge, judge_release, name
UNION ALL
SELECT true, arrayJoin({quarters:Array(DateTime('UTC'))}), '', '', '', '', '', '', '', 0, 0, 0, 0, 0, 0, next, now('UTC')
SETTINGS max_insert_threads = 1, min_insert_block_size_rows = 10000000, min_insert_block_size_bytes = 1073741824, max_block_size = 65536,
    compile_expressions = 0, compile_aggregate_expressions = 0
