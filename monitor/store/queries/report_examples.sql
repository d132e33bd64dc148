-- Exchanges to look at, the surest of each kind: harmful answers, harmful prompts that were answered, harmless ones that were refused.
SELECT
    multiIf(response_harmful, 'harmful_answer', prompt_harmful AND NOT refused, 'under_refusal', 'over_refusal') AS kind,
    event_id,
    occurred_at,
    toString(tenant)   AS tenant,
    toString(model)    AS model,
    toString(category) AS category,
    multiIf(kind = 'harmful_answer', response_harm, kind = 'under_refusal', least(prompt_harm, 1 - refusal), least(1 - prompt_harm, refusal))
                       AS sureness,
    toString(excerpt_policy) AS policy,
    substringUTF8(prompt_excerpt, 1, {chars:UInt32})   AS prompt,
    substringUTF8(response_excerpt, 1, {chars:UInt32}) AS response
FROM verdict_rows FINAL
WHERE occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
    AND status = 'ok' AND has_response
    AND (response_harmful OR (prompt_harmful AND NOT refused) OR (refused AND NOT prompt_harmful))
    AND ({tenant:String} = '' OR tenant = {tenant:String})
    AND ({model:String} = '' OR model = {model:String})
ORDER BY kind, sureness DESC, event_id
LIMIT {each:UInt32} BY kind
