"""Open the classifier of a checkpoint row, with the encoder it was fine-tuned from."""

from al_core.checkpoint import load_checkpoint
from al_core.classifier import Classifier
from al_core.features import FeatureStore
from app.jobs.context import JobContext
from app.models import Checkpoint


def open_classifier(
    context: JobContext, checkpoint: Checkpoint, store: FeatureStore | None = None, folder: str | None = None
) -> Classifier:
    """The classifier; the project's encoder serves it when it is the same, otherwise its own source is opened.

    Args:
        context: of the job.
        checkpoint: which one.
        store: where features of the clips it predicts are cached, if not in the project's own store.
        folder: of another classifier that the same run trained from the same encoder, relative to the data folder.
    """
    encoder = context.encoder()
    matching = encoder if encoder.digest == checkpoint.encoder_digest else None
    return load_checkpoint(context.settings.data / (folder or checkpoint.folder), matching, store or context.store)
