-- Means of a judge's answers about the exchanges of [since, until), weighted for both samples, with their variance, by PsychoSafe's
-- domain ('' is all, also outside of the five) and measure.
SELECT
    arrayJoin(arrayDistinct(['', toString(r.care_domain)])) AS domain,
    toString(r.measure) AS measure,
    sum(r.n) AS n,
    sum(r.wx) / sum(r.w) AS mean,
    greatest(0, sum(r.w2x2) - 2 * mean * sum(r.w2x) + mean * mean * sum(r.w2)) / (sum(r.w) * sum(r.w)) AS variance
FROM refusal_quality AS r
WHERE r.begins_at >= toDateTime({since:DateTime64(6, 'UTC')}, 'UTC') AND r.begins_at < toDateTime({until:DateTime64(6, 'UTC')}, 'UTC')
  AND {tenant:String} IN ('', r.tenant) AND {model:String} IN ('', r.model)
GROUP BY domain, measure
HAVING sum(r.w) > 0
ORDER BY domain, measure
