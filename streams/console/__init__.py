"""Terminal output and exit statuses of all commands."""
