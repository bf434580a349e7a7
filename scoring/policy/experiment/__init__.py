"""A second policy for a share of cards beside the published one: which card is in which arm, and what changes."""

from scoring.policy.experiment.arms import Arm, Arms, Assignment, assignment_of
from scoring.policy.experiment.declared import Candidate, Experiment

__all__ = ["Arm", "Arms", "Assignment", "Candidate", "Experiment", "assignment_of"]
