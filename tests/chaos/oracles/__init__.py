"""What must be true after a scenario: topics read to their end, and compared with what was sent."""
