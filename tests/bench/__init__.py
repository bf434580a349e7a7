"""Figures, each measured beside its peer in one run: `make bench` prints them and writes bench.json."""
