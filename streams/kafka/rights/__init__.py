"""Kafka rights (ACLs): which are needed, how they are checked, and how they are granted."""
