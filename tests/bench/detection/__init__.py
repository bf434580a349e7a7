"""How well fraud is detected on public histories, by one command for each."""
