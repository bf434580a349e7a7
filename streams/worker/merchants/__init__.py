"""The merchant store: `merchants` is read by every worker; the dead letters of what is refused, written by one."""
