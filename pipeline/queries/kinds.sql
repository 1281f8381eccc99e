-- Rows by kind of task: how many were accepted, how long they are, from how many tasks.
SELECT
    domain,
    kind,
    count(*) AS rows,
    count(*) FILTER (is_accepted) AS accepted,
    round(avg(is_accepted::INTEGER), 3) AS acceptance,
    count(DISTINCT task_id) AS tasks,
    round(avg(n_turns), 1) AS turns,
    round(avg(n_calls), 1) AS calls
FROM rows
GROUP BY domain, kind
ORDER BY domain, rows DESC, kind
