"""Faust's transport for batches: one event per partition and poll. Commits never pass an unfinished batch."""
