"""The Kafka toolbox: reading, sending, fencing, topics, rights, and the causes of failed connections."""
