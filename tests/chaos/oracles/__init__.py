"""The conditions after a scenario: topics are read to their end and compared with the events that were sent."""
