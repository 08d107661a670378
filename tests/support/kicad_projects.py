"""Small KiCad projects of several sheets, as text, for the tests of what follows them."""

from __future__ import annotations

from pathlib import Path

from schematic_reader.kicad.sexpr import quote

LIBRARY = (
    '(lib_symbols (symbol "Device:R" (property "Reference" "R" (at 0 0 0)) (property "Value" "R" (at 0 0 0)) '
    '(symbol "R_1_1" (pin passive line (at 0 3.81 270) (length 1.27) (name "~") (number "1")) '
    '(pin passive line (at 0 -3.81 90) (length 1.27) (name "~") (number "2")))) '
    '(symbol "power:GND" (power) (property "Reference" "#PWR" (at 0 0 0)) '
    '(property "Value" "GND" (at 0 0 0)) '
    '(symbol "GND_1_1" (pin power_in line (at 0 0 270) (length 0) (name "GND") (number "1")))))'
)


def placed(
    library: str, uuid: str, reference: str, value: str, *uses: tuple[str, str], more: str = "", x: int = 50
) -> str:
    """A symbol with the references of its uses, (path, reference) each."""
    paths = "".join(f'(path "{path}" (reference "{other}") (unit 1))' for path, other in uses)
    instances = f'(instances (project "p" {paths}))' if uses else ""
    return (
        f'(symbol (lib_id "{library}") (at {x} 50 0) (unit 1) {more} (uuid "{uuid}") '
        f'(property "Reference" "{reference}" (at {x} 45 0)) (property "Value" {quote(value)} (at {x} 55 0)) '
        f"{instances})"
    )


def box(uuid: str, name: str, file: str) -> str:
    """A sheet box."""
    return (
        f'(sheet (at 100 50) (size 20 20) (uuid "{uuid}") (property "Sheetname" "{name}" (at 100 49 0)) '
        f'(property "Sheetfile" {quote(file)} (at 100 71 0)))'
    )


def sheet(uuid: str, *items: str, version: int = 20250114) -> str:
    """The text of a ``.kicad_sch``."""
    return f'(kicad_sch (version {version}) (uuid "{uuid}") (paper "A4") {LIBRARY} {" ".join(items)})'


def absurd_sheet(symbols: int) -> str:
    """A small text with much to draw: each symbol has 3,000 corners."""
    corners = " ".join(f"(xy {number % 7} {number % 5})" for number in range(3000))
    drawing = f'(symbol "S_1_1" (polyline (pts {corners})))'
    library = f'(lib_symbols (symbol "Device:S" {drawing}))'
    placed_ones = " ".join(placed("Device:S", str(n), f"S{n}", "S") for n in range(symbols))
    return sheet("absurd", placed_ones).replace(LIBRARY, library)


CHANNEL = sheet(
    "c",
    placed("Device:R", "s1", "R1", "10k", ("/root/left", "R10"), ("/root/right", "R20")),
    placed("Device:R", "s2", "R2", "${CHANNEL}", ("/root/left", "R11"), ("/root/right", "R21"), x=70),
)
ROOT_SHEET = sheet(
    "root",
    placed("Device:R", "s0", "R?", "1k", ("/root", "R2")),
    placed("power:GND", "g0", "#PWR01", "GND", ("/root", "#PWR01"), x=70),
    box("left", "Left", "parts/channel.kicad_sch"),
    box("right", "Right", "parts/channel.kicad_sch"),
    box("gone", "Gone", "gone.kicad_sch"),
    box("self", "Self", "amp.kicad_sch"),
)
PROJECT = '{"text_variables": {"CHANNEL": "4k7"}}'


def write_project(folder: Path) -> Path:
    """Write ``amp.kicad_pro``, its root sheet and a sub-sheet used twice; return the root sheet's path."""
    (folder / "parts").mkdir(parents=True)
    (folder / "amp.kicad_pro").write_text(PROJECT)
    (folder / "amp.kicad_sch").write_text(ROOT_SHEET)
    (folder / "parts" / "channel.kicad_sch").write_text(CHANNEL)
    return folder / "amp.kicad_sch"


def write_project_in_capitals(folder: Path) -> None:
    """Write the same with all suffixes in capitals, in the names of the sub-sheets too."""
    write_project(folder)
    for path in [*folder.rglob("*.kicad_*")]:
        text = path.read_text().replace(".kicad_sch", ".KICAD_SCH")
        path.with_suffix(path.suffix.upper()).write_text(text)
        path.unlink()
