"""What a run leaves on disk: journal, committed shards, dataset, ledger, and the questions asked of them.

The home of pyarrow and duckdb, which are imported inside functions so that `toolworlds --help` is instant.
"""
