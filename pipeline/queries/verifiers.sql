-- How good the verifiers are: wrong runs killed and right runs rejected, by domain, kind and class, with 95 % intervals.
WITH tallies AS (
    SELECT domain, kind, 'mutants killed' AS measure, unnest(from_json(admission -> '$.mutants',
        '[{"name": "VARCHAR", "made": "BIGINT", "killed": "BIGINT", "equivalent": "BIGINT", "accepted": "BIGINT"}]')) AS tally
    FROM tasks
    UNION ALL
    SELECT domain, kind, 'variants rejected', unnest(from_json(admission -> '$.variants',
        '[{"name": "VARCHAR", "made": "BIGINT", "killed": "BIGINT", "equivalent": "BIGINT", "accepted": "BIGINT"}]'))
    FROM tasks
),
counts AS (
    SELECT
        measure,
        domain,
        coalesce(kind, '(dropped)') AS kind,
        tally."name" AS class,
        coalesce(tally.killed, tally.made - tally.accepted) AS found,
        tally.made - coalesce(tally.equivalent, 0) AS out_of,
        coalesce(tally.equivalent, 0) AS equivalent
    FROM tallies
)
SELECT
    measure,
    CASE WHEN domain IS NOT NULL THEN 'domain' WHEN kind IS NOT NULL THEN 'kind' WHEN class IS NOT NULL THEN 'class' ELSE 'all' END AS "by",
    coalesce(domain, kind, class, '') AS which,
    sum(found)::BIGINT AS found,
    sum(out_of)::BIGINT AS out_of,
    sum(equivalent)::BIGINT AS equivalent,
    CASE WHEN sum(out_of) > 0 THEN round(sum(found) / sum(out_of), 4) END AS rate,
    round(wilson_low(sum(found), sum(out_of)), 4) AS low,
    round(wilson_high(sum(found), sum(out_of)), 4) AS high
FROM counts
GROUP BY GROUPING SETS ((measure), (measure, domain), (measure, kind), (measure, class))
UNION ALL
SELECT 'not measured', 'all', 'no task has mutants and variants: make the run anew to have them', NULL, NULL, NULL, NULL, NULL, NULL
WHERE NOT EXISTS (SELECT 1 FROM counts)
ORDER BY measure, list_position(['all', 'domain', 'kind', 'class'], "by"), which
