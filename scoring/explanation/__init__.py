"""Explain one decision: what the model and the policy saw, what they made of it, and whether it comes out again."""
