-- How hard the tasks were: passes and length by difficulty.
SELECT
    difficulty,
    count(DISTINCT task_id) AS tasks,
    count(*) AS rows,
    round(avg(coalesce(passed, false)::INTEGER), 3) AS pass_rate,
    round(avg(n_calls), 1) AS calls,
    max(n_calls) AS most_calls,
    round(avg(n_turns), 1) AS turns
FROM rows
GROUP BY difficulty
ORDER BY difficulty
