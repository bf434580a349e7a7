"""What the worker says of itself: metrics, health endpoints and one structured log line per fact."""
