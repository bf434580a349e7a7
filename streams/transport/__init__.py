"""Faust's transport, rebuilt for batches: one event per partition and poll, commits that never pass unfinished work."""
