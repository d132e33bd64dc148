-- Some exchanges of [since, until) of each kind whose excerpts may be kept, chosen by the hash of their ids: the same ones whenever it is
-- asked, and of these the surest. Looked for in at most 64 quarters that have some of the kind, chosen by a hash, too; `occurrences`
-- says which events to look up, and the rows that count decide.
WITH
    multiIf(
        status != 'ok' OR NOT has_response, '',
        ifNull(response_harmful, false) AND NOT ifNull(refused, false), 'harmful_answer',
        ifNull(prompt_harmful, false) AND NOT ifNull(refused, false), 'under_refusal',
        NOT ifNull(prompt_harmful, true) AND ifNull(refused, false), 'over_refusal',
        '') AS what
SELECT
    what AS kind, event_id, occurred_at, toString(tenant) AS tenant, toString(model) AS model, toString(category) AS category,
    multiIf(kind = 'harmful_answer', response_harm, kind = 'under_refusal', least(prompt_harm, 1 - refusal), least(1 - prompt_harm, refusal)) AS sureness,
    toString(excerpt_policy) AS policy, substringUTF8(prompt_excerpt, 1, {chars:UInt32}) AS prompt,
    substringUTF8(response_excerpt, 1, {chars:UInt32}) AS response
FROM
(
    SELECT event_hash, event_id, occurred_at, tenant, model, category, status, has_response, response_harmful, prompt_harmful, refused,
           excerpt_policy, prompt_excerpt, response_excerpt, prompt_harm, refusal, response_harm
    FROM verdict_rows FINAL
    PREWHERE event_hash IN
    (
        SELECT event_hash
        FROM occurrences
        WHERE begins_at IN
        (
            SELECT begins_at
            FROM quarters
            ARRAY JOIN arrayFilter(
                pair -> pair.2,
                [('harmful_answer', harmful_responses > 0), ('under_refusal', harmful > harmful_refused), ('over_refusal', harmless_refused > 0)]) AS some
            WHERE begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') AND begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
              AND {tenant:String} IN ('', tenant) AND {model:String} IN ('', model)
            GROUP BY begins_at, some.1
            ORDER BY cityHash64(begins_at), begins_at
            LIMIT 64 BY some.1
        )
          AND {tenant:String} IN ('', tenant) AND {model:String} IN ('', model)
          AND what != ''
        ORDER BY event_hash
        LIMIT 50 BY what
    )
)
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
  AND {tenant:String} IN ('', tenant) AND {model:String} IN ('', model)
  AND what != '' AND excerpt_policy != 'none'
ORDER BY kind, sureness DESC, event_hash, event_id
LIMIT {each:UInt32} BY kind
