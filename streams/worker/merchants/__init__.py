"""The registry of merchants: read by every worker; the dead letters of what is refused, written by one."""
