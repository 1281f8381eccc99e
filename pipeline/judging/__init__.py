"""Judging: what a finished episode is worth, by program first.

`state` decides whether the world ended as it should, `criteria` how the agent got there, `verdict` joins the two.
"""
