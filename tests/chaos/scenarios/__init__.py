"""What a scenario does: one file for each kind of fault."""
