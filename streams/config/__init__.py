"""Settings: one YAML file, read strictly into frozen records. Each package owns its part; the root composes them."""
