"""A row from a picture and the list of parts beside it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import ImageChops

from schematic_reader.importing.imported import Imported
from schematic_reader.importing.part_lists import MAX_LIST_BYTES, PartListError, read_part_list
from schematic_reader.io.outside_paths import shown_name
from schematic_reader.io.paper import on_paper
from schematic_reader.io.picture import PictureError, check_shape, decode_picture, is_blank, on_white

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
LISTS = (".txt", ".csv")
MAX_PICTURE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture, the ``list`` of its parts, and the ``name`` that its row gets."""

    path: Path
    name: str
    list: Path

    def imported(self) -> Imported:
        """The row, unless picture or list cannot be used."""
        found = Imported()
        try:
            with self.list.open("rb") as file:
                listed = read_part_list(file.read(MAX_LIST_BYTES + 1), self.list.suffix.lower())
        except (PartListError, OSError) as error:
            found.leave_out(self.list, error)
            found.leave_out(self.path, "its list cannot be used")
            return found
        try:
            data, path = self._picture(found)
        except (PictureError, OSError) as error:
            reason = f"{error.reason}: {error}" if isinstance(error, PictureError) else error
            found.leave_out(self.path, reason)
            found.leave_out(self.list, "its picture cannot be used")
            return found
        if listed.by_value:
            found.notes.append(
                f"{self.list} has no column with names of symbols: those of {listed.column} are taken"
            )
        found.rows.append(
            {
                "schematic": None,
                "image": {"bytes": data, "path": shown_name(path.name)},
                "components_used": list(listed.names),
                "json": None,
                "yaml": None,
                "name": self.name,
                "description": None,
                "type": path.suffix.lower(),
            }
        )
        return found

    def _picture(self, found: Imported) -> tuple[bytes, Path]:
        """The bytes of the picture, which a model can take, and their file. Raises PictureError, OSError.

        The pipeline lays pictures on white: one that this would hide is a PNG in which it is seen.
        """
        if self.path.stat().st_size > MAX_PICTURE_BYTES:
            raise PictureError("too_large", f"over {MAX_PICTURE_BYTES // 1_000_000} MB: save it smaller")
        data = self.path.read_bytes()
        decoded = decode_picture(data)
        check_shape(decoded.width, decoded.height)
        seen = on_paper(decoded.image)
        if is_blank(seen):
            raise PictureError("blank", "it shows nothing")
        if decoded.frames > 1:
            found.notes.append(f"{self.path}: the first of {decoded.frames} pages or frames is used")
        if ImageChops.difference(seen, on_white(decoded.image)).getbbox() is None:
            return data, self.path
        found.notes.append(f"{self.path}: its light lines on a transparent background are stored in black")
        encoded = io.BytesIO()
        seen.save(encoded, "PNG")
        return encoded.getvalue(), self.path.with_suffix(".png")
