"""Decide a history again by policies, with the code of a worker: rules, lists, limits, caps, incidents and cases."""
