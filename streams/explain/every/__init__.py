"""Compute every stored decision again, by the policy that it names: `sekisho replay --recorded`."""
