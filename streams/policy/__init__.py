"""Change the policy of a running worker, and record each change."""
