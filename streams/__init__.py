"""The online shell: Faust, Kafka, HTTP endpoints, metrics, settings and the command line."""
