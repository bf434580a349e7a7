"""Dead letters after the fact: what was refused and why, and how what is right by now gets back on its topic."""
