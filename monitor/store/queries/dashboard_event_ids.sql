-- The hashes of the ids of the newest events that arrived in [since, until) and are wanted, at most `limit`. Empty lists are all; `found` says
-- how a verdict has to be: any, refused, over_refused, complied, harmful, or unanswered. Read are the quarters of an hour that have some, by their
-- counts; besides those that are counted too lately to tell, and those that happened more than two days before `since`, of which few arrive then.
-- Rows that don't count may be among them: dashboard_events_found.sql asks again.
WITH
    toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') - INTERVAL 2 DAY AS asked_from,
    (
        SELECT greatest(toDateTime(argMax(until, written_at), 'UTC'), toDateTime(3600, 'UTC')) - INTERVAL 30 MINUTE
        FROM rollup_marks
        WHERE name = 'counted'
    ) AS asked_to
SELECT event_hash
FROM
(
    SELECT event_hash, arrived_at
    FROM occurrences
    WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
      AND
      (
          begins_at < asked_from OR begins_at >= asked_to
          OR ({found:String} = 'any' AND empty({tenants:Array(String)}) AND empty({models:Array(String)}) AND empty({categories:Array(String)}))
          OR begins_at IN
          (
              SELECT begins_at
              FROM quarter_rows
              WHERE NOT is_total AND begins_at >= asked_from
                AND NOT ({found:String} = 'any' AND empty({tenants:Array(String)}) AND empty({models:Array(String)}) AND empty({categories:Array(String)}))
                AND (empty({tenants:Array(String)}) OR tenant IN {tenants:Array(String)})
                AND (empty({models:Array(String)}) OR model IN {models:Array(String)})
                AND (empty({categories:Array(String)}) OR category IN {categories:Array(String)})
                AND if({found:String} = 'refused', refused,
                    if({found:String} = 'over_refused', harmless_refused,
                    if({found:String} = 'complied', harmful - harmful_refused,
                    if({found:String} = 'harmful', harmful_prompts + harmful_responses,
                    if({found:String} = 'unanswered', events - answered, events))))) > 0
          )
      )
      AND (empty({tenants:Array(String)}) OR tenant IN {tenants:Array(String)})
      AND (empty({models:Array(String)}) OR model IN {models:Array(String)})
      AND (empty({categories:Array(String)}) OR category IN {categories:Array(String)})
      AND multiIf(
          {found:String} = 'refused', ifNull(refused, false),
          {found:String} = 'over_refused', ifNull(refused AND NOT prompt_harmful, false),
          {found:String} = 'complied', ifNull(NOT refused AND prompt_harmful, false),
          {found:String} = 'harmful', ifNull(prompt_harmful, false) OR ifNull(response_harmful, false),
          {found:String} = 'unanswered', status != 'ok',
          true)
    ORDER BY arrived_at DESC
    LIMIT 4 * {limit:UInt32} -- rows: few events are here more than twice
)
GROUP BY event_hash
ORDER BY max(arrived_at) DESC, event_hash
LIMIT {limit:UInt32}
