"""Imports of answers over HTTP."""

import json
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationError

_MAPPING: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


def _mapping(text: str) -> str:
    try:
        _MAPPING.validate_python(json.loads(text))
    except (ValueError, ValidationError):
        raise ValueError('write a JSON object of names, {"their name": "our account"}') from None
    return text


MappingText = Annotated[str, AfterValidator(_mapping)]
