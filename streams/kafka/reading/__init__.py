"""Read topics without a consumer group: ranges of partitions, single records, and new records as they arrive."""
