"""One run, from a composed configuration to a committed directory; knows nothing of Hydra."""

from runner.job.execute import Result, execute, record_failure
from runner.job.job import Job
from runner.job.objective import value_of
from runner.job.origin import origin
from runner.job.plan import Plan, prepare
from runner.job.secrecy import Secrets, is_secret_name, literal_secrets

__all__ = [
    "Job",
    "Plan",
    "Result",
    "Secrets",
    "execute",
    "is_secret_name",
    "literal_secrets",
    "origin",
    "prepare",
    "record_failure",
    "value_of",
]
