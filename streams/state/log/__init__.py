"""The changelog topics of profiles: rows and markers as Kafka records."""
