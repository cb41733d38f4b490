"""Which function runs a job of which kind."""

from typing import assert_never, cast

from app.jobs import (
    acquire,
    adapt,
    embed,
    evaluate,
    evaluate_tapt,
    examine,
    export,
    fine_tune,
    import_annotations,
    import_corpus,
    label_studio,
    predict,
    replay,
)
from app.jobs.context import JobContext
from app.jobs.queue import Kind


def run(context: JobContext) -> None:
    """Run the job to its end; whatever it raises is the job's error."""
    kind = cast(Kind, context.claim.kind)
    match kind:
        case "embed":
            embed.run(context)
        case "adapt":
            adapt.run(context)
        case "acquire":
            acquire.run(context)
        case "fine_tune":
            fine_tune.run(context)
        case "evaluate":
            evaluate.run(context)
        case "examine":
            examine.run(context)
        case "predict":
            predict.run(context)
        case "import_corpus":
            import_corpus.run(context)
        case "export":
            export.run(context)
        case "import_annotations":
            import_annotations.run(context)
        case "label_studio":
            label_studio.run(context)
        case "evaluate_tapt":
            evaluate_tapt.run(context)
        case "replay":
            replay.run(context)
        case _:
            assert_never(kind)
