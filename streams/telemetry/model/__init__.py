"""Metrics of the model in use."""
