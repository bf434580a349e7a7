"""What every command writes to the terminal, and the statuses that it ends with."""
