"""Merchants in the worker: all workers read them, and one writes the dead letters of refused records."""
