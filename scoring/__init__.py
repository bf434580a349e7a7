"""The pure core: authorization bytes in, decision bytes out. No clock, no I/O, no Kafka."""
