"""Change the policy or the model of a running worker, and record each change of the policy."""
