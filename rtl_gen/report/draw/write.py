"""Writes a picture into a file whose name says what kind of picture it is."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ...spec.operation import SpecError

if TYPE_CHECKING:
    from ...api import LoadedDesign

__all__ = ["write_picture"]

FOLDER = Path("build/draw")


def write_picture(
    design: "LoadedDesign",
    path: Path | None = None,
    *,
    steps: bool = False,
    array: str | None = None,
    layer: str | None = None,
) -> Path:
    """Write the picture of an array, or of its steps; returns where it lies.

    Parameters
    ----------
    path
        By default ``build/draw/<design>.svg``, for steps ``build/draw/<design>_steps.html``.
    array
        Another shape, as ``3x4``.
    layer
        The layer to follow step by step, as the text or name of one.

    Raises
    ------
    SpecError
        If the shape cannot be read, the file is of another kind, or there is a layer but no steps.
    """
    kinds = (".html", ".svg") if steps else (".svg",)
    if path is None:
        path = FOLDER / f"{design.name}{'_steps' * steps}{kinds[0]}"
    if path.suffix not in kinds:
        raise SpecError(f"{path}: a file that ends with {' or '.join(kinds)} is written")
    if layer is not None and not steps:
        raise SpecError("a layer is followed step by step; add --steps")
    shape = _shape(array)
    if steps:
        text = design.draw_steps(layer, array=shape, page=path.suffix == ".html")
    else:
        text = design.draw(array=shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _shape(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if not match:
        raise SpecError(f"an array is rows x columns, such as 3x4, not {text!r}", key="--array")
    return int(match[1]), int(match[2])
