"""The check ladder: the only door into `domains/`, for a person's domain and an evolved one alike."""

from pipeline.check.ladder import RUNGS, check_domain
from pipeline.check.refusal import Refusal

__all__ = ["RUNGS", "Refusal", "check_domain"]
