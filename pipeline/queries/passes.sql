-- c of n: how many tasks passed in how many of their attempts.
SELECT attempts, passes, count(*) AS tasks
FROM (SELECT DISTINCT task_id, attempts, passes FROM rows)
GROUP BY attempts, passes
ORDER BY attempts, passes
