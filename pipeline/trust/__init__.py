"""Whether a row that says "passed" can be believed: what is measured about verdicts, worlds and users themselves.

Nothing here changes a row. Hand-checked conversations (`cases`, `script`, `truth`) measure the verdicts, audits measure
the worlds and the scripted user, attribution says whose fault a rejected row is.
"""
