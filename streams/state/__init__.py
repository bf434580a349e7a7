"""Durable profiles: rows written to compacted topics, and restored from them, in bulk."""
