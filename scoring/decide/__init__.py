"""From a score to an answer: the decision for every event, the alert for the few."""
