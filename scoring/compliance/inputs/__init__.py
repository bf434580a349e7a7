"""What a report reads: its inputs taken in and added up, without keeping events."""
