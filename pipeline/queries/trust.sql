-- Can it be trusted: verifiers, hand-checked conversations, audits, errors of the user, whose fault rejected rows are.
WITH figures AS (
    SELECT 1 AS place, 'verifiers' AS part, domain, 'mutants killed' AS finding, sum(killed) AS found, sum(mutants - equivalent) AS out_of
    FROM tasks WHERE mutants IS NOT NULL GROUP BY domain
    UNION ALL
    SELECT 2, 'verifiers', domain, 'variants rejected', sum(variants - variants_accepted), sum(variants)
    FROM tasks WHERE variants IS NOT NULL GROUP BY domain
    UNION ALL
    SELECT list_position(['hand_checked', 'audit', 'users'], part) + 2, part, domain, finding, found, out_of FROM trust
    UNION ALL
    SELECT 6, 'rejected rows', domain, 'put down to ' || coalesce(attribution, '(not recorded)'), count(*),
        sum(count(*)) OVER (PARTITION BY domain)
    FROM rejected GROUP BY domain, attribution
),
totals AS (
    SELECT place, part, coalesce(domain, 'all') AS domain, finding, sum(found)::BIGINT AS found, sum(out_of)::BIGINT AS out_of
    FROM figures
    GROUP BY GROUPING SETS ((place, part, finding, domain), (place, part, finding))
    HAVING domain IS NOT NULL OR count(*) > 1
)
SELECT
    part,
    domain,
    finding,
    found,
    out_of,
    CASE WHEN out_of > 0 THEN round(found / out_of, 4) END AS rate,
    round(wilson_low(found, out_of), 4) AS low,
    round(wilson_high(found, out_of), 4) AS high
FROM (
    SELECT * FROM totals
    UNION ALL
    SELECT 0, 'not measured', '', 'no task has mutants and variants: make the run anew to have them', NULL, NULL
    WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE mutants IS NOT NULL)
    UNION ALL
    SELECT 0, 'not measured', '', 'there is no trust.json: the same `toolworlds generate` command again writes it', NULL, NULL
    WHERE NOT EXISTS (SELECT 1 FROM trust)
)
ORDER BY place, part, domain = 'all', domain, finding
