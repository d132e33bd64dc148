-- The hashes of the ids of the newest events that arrived in [since, until) and are wanted, at most `limit`. Empty lists are all; `found` says
-- how a verdict has to be: any, refused, over_refused, complied, harmful, or unanswered. Quarters of an hour of which it is counted that they have
-- none are not read; of the last half hour and of those that happened two days before `since`, that isn't asked. Rows that don't count may be
-- among them: dashboard_events_of.sql asks again.
SELECT DISTINCT event_hash
FROM
(
    SELECT event_hash, arrived_at
    FROM occurrences
    WHERE arrived_at >= {since:DateTime64(6, 'UTC')} AND arrived_at < {until:DateTime64(6, 'UTC')}
      AND begins_at NOT IN
      (
          SELECT begins_at
          FROM quarter_rows
          WHERE is_total
            AND begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') - INTERVAL 2 DAY AND begins_at < now('UTC') - INTERVAL 30 MINUTE
            AND NOT ({found:String} = 'any' AND empty({tenants:Array(String)}) AND empty({models:Array(String)}) AND empty({categories:Array(String)}))
            AND begins_at NOT IN
            (
                SELECT begins_at
                FROM quarter_rows
                WHERE NOT is_total
                  AND begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') - INTERVAL 2 DAY AND begins_at < now('UTC') - INTERVAL 30 MINUTE
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
    LIMIT {limit:UInt32}
)
