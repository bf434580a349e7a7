"""Read topics without a group: ranges of a log, single records, and what comes from now on."""
