-- Planted mistakes: what the verdicts made of each; an accepted row with one deserves a look.
SELECT
    mistake,
    count(*) AS rows,
    count(*) FILTER (is_accepted) AS accepted,
    count(*) FILTER (drop_reason = 'state') AS failed_state,
    count(*) FILTER (drop_reason = 'gates') AS failed_a_gate,
    count(*) FILTER (NOT is_accepted AND drop_reason NOT IN ('state', 'gates')) AS dropped_otherwise
FROM (SELECT unnest(CASE WHEN len(mistakes) = 0 THEN ['(none)'] ELSE mistakes END) AS mistake, is_accepted, drop_reason FROM rows)
GROUP BY mistake
ORDER BY mistake
