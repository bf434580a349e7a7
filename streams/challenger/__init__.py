"""The challenger of a running worker: its files, and its place in the engine."""
