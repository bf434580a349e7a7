"""Parts of every benchmark: the broker, the measured processes, the machine."""
