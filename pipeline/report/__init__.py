"""Reading what a run made."""
