"""JSON records as tags of a run: the database alone then says what the table of results says.

Artefacts are no such place: those of a database without a server lie on the disk of the machine
that published, and a copied SQLite file leaves them behind.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

PREFIX = "rankme.documents."

CHUNK = 4000
"""Characters a tag. MLflow allows 8,000, some databases behind older servers 5,000."""

LEFT_OUT = ("singular_values", "per_class", "code")
"""Keys that no table needs, and that would be most of the size."""


def pack(documents: Mapping[str, Any]) -> dict[str, str]:
    """Named JSON values as tags, without LEFT_OUT."""
    text = json.dumps(_kept(documents), separators=(",", ":"))
    packed = base64.b85encode(zlib.compress(text.encode(), 9)).decode()
    chunks = [packed[start : start + CHUNK] for start in range(0, len(packed), CHUNK)]
    return {f"{PREFIX}{number:03d}": chunk for number, chunk in enumerate(chunks)}


def unpack(tags: Mapping[str, str]) -> dict[str, Any]:
    """The documents that `pack` made tags of; empty without any.

    Raises:
        ValueError: they are not whole.
    """
    packed = "".join(tags[name] for name in sorted(tags) if name.startswith(PREFIX))
    if not packed:
        return {}
    try:
        text = zlib.decompress(base64.b85decode(packed))
    except zlib.error as error:
        raise ValueError(f"the documents of the run are damaged ({error})") from error
    documents: dict[str, Any] = json.loads(text)
    return documents


def _kept(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _kept(item) for key, item in value.items() if key not in LEFT_OUT}
    return [_kept(item) for item in value] if isinstance(value, list) else value
