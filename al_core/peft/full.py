"""Full fine-tuning: every block and the final layer norm; on request the convolutional front end too.

The front end stays in evaluation mode, so that dropout acts in the blocks alone.
"""

from al_core.peft.assembly import Assembly, train
from al_core.peft.specs import Full


def attach(method: Full, assembly: Assembly) -> None:
    """Let every weight learn that decides the last hidden state."""
    encoder = assembly.encoder
    norm = [] if encoder.final_norm is None else list(encoder.final_norm.parameters())
    blocks = [weight for block in assembly.blocks().values() for weight in block.parameters()]
    for weight in (*blocks, *norm, *(encoder.front_end_weights() if method.front_end else ())):
        train(weight)
