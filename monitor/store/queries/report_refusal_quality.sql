-- Quality of a week's judged refusals (PsychoSafe) by domain ('' is all, also outside of the five), as weighted means with their variance.
SELECT
    domain,
    measure,
    count()                                                             AS n,
    sum(w * x) / sum(w)                                                 AS mean,
    sum(w * w * (x - m) * (x - m)) / (any(total) * any(total))          AS variance
FROM
(
    SELECT domain, measure, w, x, sum(w * x) OVER p / sum(w) OVER p AS m, sum(w) OVER p AS total
    FROM
    (
        SELECT
            arrayJoin(arrayDistinct([ifNull(toString(care_domain), ''), '']))                   AS domain,
            if(probability > 0, 1 / probability, 0)                                             AS w,
            arrayJoin(arrayFilter(pair -> pair.2 IS NOT NULL, [
                ('judged', toNullable(1.0)),
                ('care_overall', care_overall),
                ('care_grounding', care_grounding),
                ('care_resource', care_resource),
                ('care_relevance', care_relevance),
                ('is_template', toFloat64(is_template)),
                ('over_intervention', over_intervention)
            ]))                                                                                 AS pair,
            pair.1                                                                              AS measure,
            assumeNotNull(pair.2)                                                               AS x
        FROM judgements
        WHERE status = 'ok'
            AND occurred_at >= {since:DateTime64(6, 'UTC')} AND occurred_at < {until:DateTime64(6, 'UTC')}
            AND ({tenant:String} = '' OR tenant = {tenant:String})
            AND ({model:String} = '' OR model = {model:String})
    )
    WINDOW p AS (PARTITION BY domain, measure)
)
GROUP BY domain, measure
ORDER BY domain, measure
