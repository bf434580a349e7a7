"""Telemetry of the worker: metrics, health endpoints and structured logs."""
