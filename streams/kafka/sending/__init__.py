"""Write to topics: into the open batches of a producer, or in bulk."""
