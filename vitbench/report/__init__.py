"""The report of a run: facts are gathered, sentences are made from them, and pages from these."""
