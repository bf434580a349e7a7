"""HTML of the reports that are made offline: one file each, in two languages, that loads nothing."""
