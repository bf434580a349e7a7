"""Profiles."""

from scoring.profile.catalog import PROFILE_FEATURES
from scoring.profile.entities import Entity
from scoring.profile.facts import Facts, Reports
from scoring.profile.profiles import ProfileLimits, Profiles

__all__ = ["PROFILE_FEATURES", "Entity", "Facts", "ProfileLimits", "Profiles", "Reports"]
