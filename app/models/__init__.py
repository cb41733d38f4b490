"""Tables, one noun a file, each opening with what the noun means."""

from app.models.accounts import Account, Role
from app.models.annotations import Annotation, Assignment, AssignmentState
from app.models.checkpoints import Checkpoint
from app.models.clips import Asset, Clip
from app.models.curves import CurvePoint
from app.models.jobs import Job, JobEvent, JobState
from app.models.projects import Project
from app.models.rounds import OPEN_STATES, Arm, Pick, Round, RoundState

__all__ = [
    "OPEN_STATES",
    "Account",
    "Annotation",
    "Arm",
    "Asset",
    "Assignment",
    "AssignmentState",
    "Checkpoint",
    "Clip",
    "CurvePoint",
    "Job",
    "JobEvent",
    "JobState",
    "Pick",
    "Project",
    "Role",
    "Round",
    "RoundState",
]
