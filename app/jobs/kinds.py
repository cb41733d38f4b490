"""Which function runs a job of which kind."""

from typing import assert_never, cast

from app.jobs import acquire, adapt, embed, evaluate, fine_tune, import_corpus, predict
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
        case "predict":
            predict.run(context)
        case "import_corpus":
            import_corpus.run(context)
        case _:
            assert_never(kind)
