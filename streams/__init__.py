"""The online shell: Faust, Kafka, HTTP, metrics, config and the command line."""
