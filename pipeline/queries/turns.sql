-- How long the accepted conversations are: rows by number of assistant turns, with calls and messages.
SELECT
    n_turns AS turns,
    count(*) AS rows,
    round(avg(n_calls), 1) AS calls,
    round(avg(len(trainable)), 1) AS messages,
    round(avg(len(list_filter(trainable, lambda t: t))), 1) AS trainable_messages
FROM accepted
GROUP BY n_turns
ORDER BY n_turns
