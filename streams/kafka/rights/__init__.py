"""Rights: which ones are needed, how they are asked for, and how they are granted."""
