"""Settings: one YAML file, read strictly into frozen records. Each package has its own; this one composes them."""
