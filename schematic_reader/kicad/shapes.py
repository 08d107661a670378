"""What is drawn on a sheet or in a symbol: shapes, texts, tables, pictures, as immutable dataclasses.

Units and axes are those of ``model``, which has these classes too.
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]
Color = tuple[int, int, int, float]
"""Red, green, blue (0 to 255) and opacity (above 0, at most 1) of a single item; None is that of its kind."""


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Size of a text in mm and how it sits on its anchor."""

    size: float = 1.27
    h_align: str = "center"  # left, center, right
    v_align: str = "center"  # top, center, bottom
    bold: bool = False
    italic: bool = False
    mirrored: bool = False
    thickness: float = 0.0  # pen width in mm; 0 is KiCad's choice, by size and boldness
    width: float = 0.0  # of the letters in mm; 0 is as the size
    face: str = ""  # of an outline font; "" is KiCad's stroke font
    color: Color | None = None


DEFAULT_STYLE = TextStyle()


@dataclass(frozen=True, slots=True)
class Property:
    """A field of a symbol or sheet box: ``Reference``, ``Value``, ``Footprint`` and so on."""

    key: str
    value: str
    at: Point = (0.0, 0.0)
    angle: float = 0.0
    hidden: bool = False
    show_name: bool = False
    style: TextStyle = DEFAULT_STYLE


@dataclass(frozen=True, slots=True)
class Polyline:
    """Straight segments through ``points``; ``width`` 0 means the default line width."""

    points: tuple[Point, ...]
    width: float = 0.0
    fill: str = "none"  # none, outline, background, color
    dash: str = "default"
    color: Color | None = None
    fill_color: Color | None = None  # where ``fill`` is color


@dataclass(frozen=True, slots=True)
class Rectangle:
    """An upright rectangle between two opposite corners, which are round where ``radius`` is not 0."""

    start: Point
    end: Point
    width: float = 0.0
    fill: str = "none"
    dash: str = "default"
    color: Color | None = None
    fill_color: Color | None = None
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle; its border is ``width`` wide."""

    center: Point
    radius: float
    width: float = 0.0
    fill: str = "none"
    dash: str = "default"
    color: Color | None = None
    fill_color: Color | None = None


@dataclass(frozen=True, slots=True)
class Arc:
    """The arc from ``start`` to ``end`` through ``mid``."""

    start: Point
    mid: Point
    end: Point
    width: float = 0.0
    fill: str = "none"
    dash: str = "default"
    color: Color | None = None
    fill_color: Color | None = None


@dataclass(frozen=True, slots=True)
class Bezier:
    """One cubic Bezier curve with four control points."""

    points: tuple[Point, ...]
    width: float = 0.0
    fill: str = "none"
    dash: str = "default"
    color: Color | None = None
    fill_color: Color | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A free text of a symbol or a sheet."""

    text: str
    at: Point
    angle: float = 0.0
    style: TextStyle = DEFAULT_STYLE


@dataclass(frozen=True, slots=True)
class TextBox:
    """A text inside a rectangle with its corner at ``at``."""

    text: str
    at: Point
    size: Point
    angle: float = 0.0
    style: TextStyle = TextStyle(h_align="left", v_align="top")
    width: float = 0.0  # of the border; negative for none
    dash: str = "default"
    margins: tuple[float, float, float, float] | None = None  # left, top, right, bottom; None by the size
    color: Color | None = None
    fill_color: Color | None = None


Graphic = Polyline | Rectangle | Circle | Arc | Bezier | Text | TextBox


@dataclass(frozen=True, slots=True)
class Table:
    """Cells in rows, ``columns`` a row, each a text box of its own place and size.

    ``spans`` has each cell's columns and rows; 0 for one that another covers.
    """

    columns: int
    cells: tuple[TextBox, ...]
    spans: tuple[tuple[int, int], ...]
    outer_border: bool = True
    header_border: bool = True  # under the first row
    row_lines: bool = True
    column_lines: bool = True
    border_width: float = 0.0
    border_dash: str = "default"
    line_width: float = 0.0
    line_dash: str = "default"
    border_color: Color | None = None
    line_color: Color | None = None


@dataclass(frozen=True, slots=True)
class RuleArea:
    """An outline whose symbols share settings: not populated with ``dnp``, not listed without ``in_bom``."""

    outline: Polyline
    dnp: bool = False
    in_bom: bool = True


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A picture on the sheet around its centre ``at``: ``data`` is a PNG, JPEG or the like in base64."""

    at: Point
    data: str
    scale: float = 1.0
    default_density: bool = False  # whether it has 300 pixels an inch whatever it says of itself
