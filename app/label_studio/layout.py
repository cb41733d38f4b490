"""The labelling configuration of a Label Studio project that asks what our scheme asks. Pure: scheme in, XML out.

Names of its controls, by which results are read back: `emotion` (one class, or several), `unclear`, one number a
dimension (`dimension.arousal`), `skip_reason`, `comment`.
"""

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from al_core.scheme import Dimension, Scheme

AUDIO, EMOTION, UNCLEAR, SKIP, COMMENT = "audio", "emotion", "unclear", "skip_reason", "comment"
DIMENSION, INTENSITY = "dimension.", "intensity."
UNCLEAR_CHOICE = "unclear"
_KEYS = "1234567890"


def layout(scheme: Scheme, skip_reasons: Sequence[str], unclear: bool = False, several: bool = False) -> str:
    """The XML that `POST /api/projects` of Label Studio takes as `label_config`."""
    controls = []
    if scheme.classes:
        required = not unclear and not scheme.dimensions
        controls.append(_choices(EMOTION, scheme.classes, several=several, required=required, keys=True))
    if unclear:
        controls.append(_choices(UNCLEAR, [UNCLEAR_CHOICE]))
    controls += [_number(dimension) for dimension in scheme.dimensions]
    controls.append(_choices(SKIP, skip_reasons))
    controls.append(f'<TextArea name="{COMMENT}" toName="{AUDIO}" rows="2" maxSubmissions="1" editable="true"/>')
    inside = "".join(f"\n  {control}" for control in controls)
    return f'<View>\n  <Audio name="{AUDIO}" value="${AUDIO}" hotkey="space"/>{inside}\n</View>'


def _choices(
    name: str, values: Sequence[str], several: bool = False, required: bool = False, keys: bool = False
) -> str:
    hotkeys = _KEYS if keys else ""
    inside = "".join(
        f"<Choice value={quoteattr(value)}" + (f' hotkey="{hotkeys[i]}"' if i < len(hotkeys) else "") + "/>"
        for i, value in enumerate(values)
    )
    choice = "multiple" if several else "single"
    must = ' required="true"' if required else ""
    return f'<Choices name="{name}" toName="{AUDIO}" choice="{choice}" showInLine="true"{must}>{inside}</Choices>'


def _number(dimension: Dimension) -> str:
    name = quoteattr(DIMENSION + dimension.name)
    scale = f'min="{dimension.low:g}" max="{dimension.high:g}"'
    return f'<Number name={name} toName="{AUDIO}" {scale} slider="true" step="{_step(dimension):g}"/>'


def _step(dimension: Dimension) -> float:
    """A hundredth of a short scale, a half of a longer one."""
    return 0.01 if dimension.high - dimension.low <= 2 else 0.5
