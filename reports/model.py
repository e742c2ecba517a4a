"""What the documents of a run have in common: how they are checked, written and read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reports.files import ReportError, read_text

__all__ = ["Amount", "Count", "Document", "Moment", "Seconds", "Text", "dumped", "parsed", "read_document", "well_formed"]

D = TypeVar("D", bound="Document")


class Document(BaseModel):
    """A frozen value of a report. Keys that a later version adds are kept, not refused."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, populate_by_name=True)


def well_formed(value: Any) -> Any:
    """Replace what UTF-8 cannot carry (lone surrogates, which JSON escapes may smuggle in) by U+FFFD."""
    # Nearly every text is ASCII, and has none.
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


Text = Annotated[str, BeforeValidator(well_formed)]

# No run comes to more: further out divisions overflow, and an axis of seconds is never drawn to its end.
_MOST, _LONGEST = 10**15, 10**8
Amount = Annotated[float, Field(ge=0, le=_MOST)]
Count = Annotated[int, Field(ge=0, le=_MOST)]
Moment = Annotated[float, Field(ge=-_LONGEST, le=_LONGEST)]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST)]


def dumped(value: Any) -> str:
    """Write JSON as a person reads it: indented, accents as they are, one newline at the end."""
    return json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parsed(text: str | bytes) -> Any:
    """Parse strict JSON. Raises ValueError, also for NaN, numbers of thousands of digits and bottomless nesting."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_document(kind: type[D], path: Path) -> D:
    """Read and validate one document. Raises ReportError, in one line, naming the file and the first thing wrong."""
    text = read_text(path)
    try:
        content = parsed(text)
        if isinstance(content, dict) and "schema" not in content:
            raise ReportError(f"{path}: schema: Field required; whatever wrote this, it was no run of Vigie")
        return kind.model_validate(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_input=False)
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        more = f" (and {len(others)} more)" if others else ""
        raise ReportError(f"{path}: {where}: {' '.join(first['msg'].split())}{more}") from error
    except ValueError as error:
        raise ReportError(f"{path}: not JSON: {' '.join(str(error).split())}") from error
