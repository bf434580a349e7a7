"""Kafka record batches: split, decompressed within a limit, and unpacked into columns."""
