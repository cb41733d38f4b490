"""Tables, one noun a file, each opening with what the noun means."""

from app.models.accounts import Account, Role
from app.models.adjudications import RULINGS, Adjudication, Decision
from app.models.annotations import COUNTED, Annotation, Assignment, AssignmentState, ClipOverlap, Kind
from app.models.checkpoints import Checkpoint
from app.models.clip_routes import ClipRoute
from app.models.clips import Asset, Clip
from app.models.curves import CurvePoint
from app.models.gold import GoldClip, Qualification
from app.models.guesses import Guess
from app.models.jobs import Job, JobEvent, JobState
from app.models.label_studio import LabelStudioLink, LabelStudioTask
from app.models.projects import Project
from app.models.rounds import OPEN_STATES, Arm, ArmReceipt, Pick, Round, RoundState
from app.models.schemes import FormerScheme
from app.models.snapshots import Snapshot
from app.models.webhooks import Delivery, DeliveryAttempt, DeliveryState, OutboxEvent, Webhook

__all__ = [
    "COUNTED",
    "OPEN_STATES",
    "RULINGS",
    "Account",
    "Adjudication",
    "Annotation",
    "Arm",
    "ArmReceipt",
    "Asset",
    "Assignment",
    "AssignmentState",
    "Checkpoint",
    "Clip",
    "ClipOverlap",
    "ClipRoute",
    "CurvePoint",
    "Decision",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "FormerScheme",
    "GoldClip",
    "Guess",
    "Job",
    "JobEvent",
    "JobState",
    "Kind",
    "LabelStudioLink",
    "LabelStudioTask",
    "OutboxEvent",
    "Pick",
    "Project",
    "Qualification",
    "Role",
    "Round",
    "RoundState",
    "Snapshot",
    "Webhook",
]
