"""State that survives: rows of profiles to and from compacted topics, in bulk."""
