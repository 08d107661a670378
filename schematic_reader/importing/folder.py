"""Import a folder of KiCad projects, or of pictures with lists of parts, as parquet."""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from schematic_reader.cli import UserError
from schematic_reader.importing.imported import Imported
from schematic_reader.importing.kicad_rows import KicadRoot, listed_roots
from schematic_reader.importing.picture_rows import LISTS, PICTURES, ListedPicture
from schematic_reader.io.outside_paths import files_below, is_file, real_path, shown_name
from schematic_reader.io.parallel import cores, ordered_map
from schematic_reader.io.tables import RAW, write_rows
from schematic_reader.kicad.nodes import KicadError
from schematic_reader.kicad.project_folder import (
    PROJECT_SUFFIX,
    SHEET_SUFFIX,
    below_others,
    folded,
    is_autosave_name,
    is_project_name,
    is_sheet_name,
)

_OTHER_KINDS = {
    ".sch": "only sheets of KiCad 6 to 10 are read: save it with one of them",
    ".pdf": "export it as PNG, with a list beside it",
    ".svg": "export it as PNG, with a list beside it",
}
_PARALLEL_JOBS = 16  # fewer are done sooner than further processes have started
_ROW_GROUP = 32

log = logging.getLogger(__name__)

Job = KicadRoot | ListedPicture


@dataclass
class Summary:
    """Rows written, by the name of their project, and files left out.

    ``told`` are the lines that were logged: several sheets may find the same wrong with their project file.
    """

    projects: Counter[str] = field(default_factory=Counter)
    left_out: int = 0
    told: set[str] = field(default_factory=set, compare=False, repr=False)


def import_folder(folder: Path, out: Path) -> Summary:
    """Write the rows of ``folder``, which may be a single project file or root sheet, to the file ``out``.

    Each file left out is logged in a line. Folders and files whose names start with a dot are passed over. A
    row's name is that of ``folder`` and of the folder in it that holds the file, which is its project: splits
    keep a project together.

    Raises:
        UserError: there is no such folder or nothing usable in it, or ``out`` cannot be written.
    """
    of_kicad = is_project_name(folder.name) or is_sheet_name(folder.name)
    if not folder.is_dir() and not (folder.is_file() and of_kicad):
        raise UserError(
            f"{folder} is no folder: name the one with KiCad projects or pictures, or one project"
        )
    if out.suffix != ".parquet":
        raise UserError(f"--out {out} does not end in .parquet, by which data.path finds it")
    if out.is_dir():
        raise UserError(f"--out {out} is a folder: name a file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out {out} cannot be made ({error.strerror or error}): name another file"
        ) from None
    summary = Summary()
    rows = _rows(folder, summary)
    first = next(rows, None)
    if first is None:
        raise UserError(
            f"{folder} holds nothing usable, {summary.left_out} files are left out: it needs a "
            f"{PROJECT_SUFFIX} or {SHEET_SUFFIX} of KiCad 6 to 10, or a picture ({', '.join(PICTURES)}) with "
            f"a list of its parts of the same name beside it ({', '.join(LISTS)})"
        )
    write_rows(out, RAW, chain([first], rows), row_group=_ROW_GROUP)
    return summary


def _rows(folder: Path, summary: Summary) -> Iterator[dict[str, Any]]:
    files = _Files(folder)
    _report(files.others, summary)
    read: set[Path] = set()
    for found in _imported(files.jobs):
        read |= found.files
        _report(found, summary)
        yield from found.rows
    for found in _imported(files.unread(read)):
        _report(found, summary)
        yield from found.rows


def _imported(jobs: list[Job]) -> Iterator[Imported]:
    workers = cores() if len(jobs) > _PARALLEL_JOBS else 1
    results = ordered_map(_do, jobs, workers=workers)
    yield from tqdm(results, total=len(jobs), unit="file", disable=not jobs)


def _do(job: Job) -> Imported:
    return job.imported()


def _report(found: Imported, summary: Summary) -> None:
    summary.projects.update(row["name"] for row in found.rows)
    summary.left_out += len(set(found.left_out) - summary.told)
    for line in found.left_out + found.notes:
        if line not in summary.told:
            summary.told.add(line)
            log.warning("%s", line)


class _Files:
    """The files of a folder by what is made of them: ``jobs``, and a line for each of the ``others``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder if folder.is_dir() else folder.parent
        self._name = real_path(self._folder).name
        self._kinds: defaultdict[str, list[Path]] = defaultdict(list)
        self.others = Imported()
        locked: list[OSError] = []
        for path in sorted(files_below(folder, locked)) if folder.is_dir() else [folder]:
            if path != folder and is_autosave_name(path.name):
                self.others.leave_out(path, "KiCad's autosave of a sheet")
            else:
                self._kinds[path.suffix.lower()].append(path)
        for error in locked:
            self.others.leave_out(Path(error.filename), error)
        self._roots = self._find_roots()
        pictures = self._find_pictures()
        self.jobs: list[Job] = sorted([*self._roots, *pictures], key=lambda job: job.path)
        for path in (path for kind in _OTHER_KINDS for path in self._kinds[kind]):
            self.others.leave_out(path, _OTHER_KINDS[path.suffix.lower()])
        known = {PROJECT_SUFFIX, SHEET_SUFFIX, *PICTURES, *LISTS, *_OTHER_KINDS}
        foreign = {kind: len(paths) for kind, paths in sorted(self._kinds.items()) if kind not in known}
        if foreign:
            counts = ", ".join(f"{kind or 'without suffix'} {count}" for kind, count in foreign.items())
            self.others.notes.append(
                f"{sum(foreign.values())} files of other kinds are passed over: {counts}"
            )

    def unread(self, read: set[Path]) -> list[Job]:
        """Sheets that no root sheet led to: those below one that could not be read."""
        known = read | {real_path(root.path) for root in self._roots}
        sheets = (path for path in self._kinds[SHEET_SUFFIX] if real_path(path) not in known)
        return [KicadRoot(path, self._project_of(path)) for path in sheets]

    def _find_roots(self) -> list[KicadRoot]:
        """The root sheets that project files list, and sheets that no other sheet names."""
        roots: dict[Path, KicadRoot] = {}
        for project in self._kinds[PROJECT_SUFFIX]:
            try:
                listed = listed_roots(project)
            except (KicadError, OSError) as error:
                self.others.leave_out(project, error)
                continue
            for path in listed:
                if isinstance(path, KicadError):
                    self.others.leave_out(project, path)
                elif is_file(path):
                    name = self._project_of(path, project)
                    roots.setdefault(real_path(path), KicadRoot(path, name, project))
                else:
                    self.others.leave_out(project, f"its root sheet {path.name} is not there")
        sheets = self._kinds[SHEET_SUFFIX]
        below = below_others(map(real_path, sheets))
        for path in sheets:
            if real_path(path) not in below:
                roots.setdefault(real_path(path), KicadRoot(path, self._project_of(path)))
        return list(roots.values())

    def _find_pictures(self) -> list[ListedPicture]:
        """The pictures with a list beside them; one list goes with one picture."""
        lists = [path for kind in reversed(LISTS) for path in self._kinds[kind]]
        pictures = sorted(path for kind in PICTURES for path in self._kinds[kind])
        taken = _lists_beside(pictures, lists)
        for path in (path for path in pictures if path not in taken):
            self.others.leave_out(
                path, f"no list of its parts of its name lies beside it ({', '.join(LISTS)})"
            )
        found = [ListedPicture(path, self._project_of(path), taken[path]) for path in sorted(taken)]
        for path in sorted(set(lists) - set(taken.values())):
            self.others.leave_out(path, "no picture of its name lies beside it")
        alone = sum(picture.path.parent == self._folder for picture in found)
        if alone > 1:
            self.others.notes.append(
                f"{alone} pictures lie in {self._folder} itself and count as one project, which splits keep "
                "together: put those of each project into a folder of its own"
            )
        return found

    def _project_of(self, path: Path, project: Path | None = None) -> str:
        """The name of a file's rows: of its folder in the folder, or for a sheet in none its own.

        A root sheet outside the folder counts as if it lay beside the project file that lists it.
        """
        inside = self._parts(path)
        if project is not None and inside[0] == os.pardir:
            inside = self._parts(project.with_name(path.name))
        alone = path.stem if is_sheet_name(path.name) else self._name
        return shown_name(f"{self._name}/{inside[0] if len(inside) > 1 else alone}")

    def _parts(self, path: Path) -> tuple[str, ...]:
        """The folders and the name of a file as the folder has it."""
        return Path(os.path.relpath(path, self._folder)).parts


def _lists_beside(pictures: list[Path], lists: list[Path]) -> dict[Path, Path]:
    """The list of each picture that has one: that of its name, later ones first, else the one spelled alike.

    That is no list of another picture, and neither two lists nor two pictures are spelled so.
    """
    beside = {path.with_suffix(""): path for path in lists}
    taken = {path: beside.pop(stem) for path in pictures if (stem := path.with_suffix("")) in beside}
    alike: defaultdict[Path, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for path in (path for path in pictures if path not in taken):
        alike[path.with_name(folded(path.stem))][0].append(path)
    for path in beside.values():
        alike[path.with_name(folded(path.stem))][1].append(path)
    return taken | {shown[0]: listed[0] for shown, listed in alike.values() if len(shown) == len(listed) == 1}
