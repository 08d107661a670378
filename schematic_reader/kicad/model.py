"""The data model of a KiCad sheet: plain immutable dataclasses.

Lengths are millimetres and angles are degrees, as in KiCad's files. On a sheet y grows downward;
inside a library symbol y grows upward. Nothing here reads, writes or draws: ``reader`` fills these
classes, ``writer`` prints them and ``draw`` renders them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from schematic_reader.kicad.shapes import (
    DEFAULT_STYLE,
    Arc,
    Bezier,
    Circle,
    Color,
    EmbeddedPicture,
    Graphic,
    Point,
    Polyline,
    Property,
    Rectangle,
    RuleArea,
    Table,
    Text,
    TextBox,
    TextStyle,
)

__all__ = [
    "AlternatePin",
    "Arc",
    "Bezier",
    "BusEntry",
    "Circle",
    "Color",
    "EmbeddedPicture",
    "Graphic",
    "Label",
    "LibSymbol",
    "Line",
    "Pin",
    "PlacedSymbol",
    "Point",
    "Polyline",
    "Property",
    "Rectangle",
    "RuleArea",
    "Sheet",
    "SheetBox",
    "SheetPin",
    "SymbolUnit",
    "Table",
    "Text",
    "TextBox",
    "TextStyle",
    "TitleBlock",
    "Variant",
]


# Versions of the file format from which on something has another meaning.
POWER_BY_VALUE = 20230221  # a power symbol's net is that of its value, no longer of its hidden pin
TILDE_IS_TEXT = 20250318
STACKED_PINS = 20250901
ALIASES_IN_PROJECT = 20250925


@dataclass(frozen=True, slots=True)
class AlternatePin:
    """Another function that a pin may have: it replaces name, kind and shape."""

    name: str
    kind: str
    shape: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin: ``at`` is its electrical end, and the line runs from there ``length`` along ``angle``."""

    number: str
    name: str
    at: Point
    angle: float
    length: float = 2.54
    kind: str = "passive"  # KiCad's electrical type: input, output, power_in, ...
    shape: str = "line"  # line, inverted, clock, inverted_clock, ...
    hidden: bool = False
    name_size: float = 1.27
    number_size: float = 1.27
    alternates: tuple[AlternatePin, ...] = ()


@dataclass(frozen=True, slots=True)
class SymbolUnit:
    """One drawn part of a library symbol. Unit 0 and style 0 mean "common to all"."""

    unit: int
    style: int
    graphics: tuple[Graphic, ...] = ()
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class LibSymbol:
    """A symbol of a library or of a sheet's ``lib_symbols``; ``lib_id`` is ``library:name``."""

    lib_id: str
    properties: tuple[Property, ...] = ()
    units: tuple[SymbolUnit, ...] = ()
    power: bool = False
    pin_numbers_hidden: bool = False
    pin_names_hidden: bool = False
    pin_name_offset: float = 0.508
    extends: str = ""
    # From KiCad 10 on: pins that the part joins inside, by groups of numbers or wherever numbers repeat.
    jumper_pin_groups: tuple[tuple[str, ...], ...] = ()
    duplicate_pins_are_jumpers: bool = False
    local_power: bool = False  # a power symbol whose net is of the sheet alone

    @property
    def name(self) -> str:
        """The part after the colon: what the data set calls a component."""
        return self.lib_id.split(":", 1)[-1]


@dataclass(frozen=True, slots=True)
class Variant:
    """How a symbol differs in one variant of the assembly (KiCad 10); ``None`` is as without it."""

    name: str
    dnp: bool | None = None
    in_bom: bool | None = None
    fields: tuple[tuple[str, str], ...] = ()  # name and value


@dataclass(frozen=True, slots=True)
class PlacedSymbol:
    """An instance on a sheet. ``mirror`` is "", "x" or "y"; it acts on the sheet, after the rotation."""

    lib_id: str
    at: Point
    angle: float = 0.0
    mirror: str = ""
    unit: int = 1
    style: int = 1
    properties: tuple[Property, ...] = ()
    uuid: str = ""
    lib_name: str = ""  # the sheet's own copy in lib_symbols, where it differs from lib_id
    dnp: bool = False
    in_bom: bool = True
    instance_reference: str = ""  # the sheet's own or first use, where it differs from the property's
    instance_value: str = ""  # likewise; KiCad 6 keeps values with the uses
    pin_functions: tuple[tuple[str, str], ...] = ()  # pin number and the name of its alternate function
    variants: tuple[Variant, ...] = ()

    def value_of(self, key: str) -> str:
        """The value of the property ``key``, or "" where there is none."""
        return next((p.value for p in self.properties if p.key == key), "")

    def pin_as_used(self, pin: Pin) -> Pin:
        """A pin of the library symbol with the function that is chosen for it here."""
        if not self.pin_functions or not pin.alternates:
            return pin
        chosen = dict(self.pin_functions).get(pin.number)
        function = next((a for a in pin.alternates if a.name == chosen), None)
        if function is None:
            return pin
        return replace(pin, name=function.name, kind=function.kind, shape=function.shape)

    @property
    def library_key(self) -> str:
        """Under which name the sheet's own library, ``Sheet.lib_symbols``, has its drawing."""
        return self.lib_name or self.lib_id

    @property
    def reference(self) -> str:
        return self.value_of("Reference")

    @property
    def designator(self) -> str:
        """The reference on the sheet's own or first use, which KiCad's netlists and plots of it show."""
        return self.instance_reference or self.reference

    @property
    def value(self) -> str:
        return self.value_of("Value")

    @property
    def used_fields(self) -> dict[str, str]:
        """The reference and the value on the sheet's own or first use, by the keys of their properties."""
        return {"Reference": self.designator, "Value": self.instance_value or self.value}


@dataclass(frozen=True, slots=True)
class Line:
    """A wire or a bus."""

    points: tuple[Point, ...]
    kind: str = "wire"  # wire, bus
    width: float = 0.0
    dash: str = "default"
    color: Color | None = None


@dataclass(frozen=True, slots=True)
class BusEntry:
    """The short slanted line from a bus (``at``) to a wire (``at`` + ``size``)."""

    at: Point
    size: Point
    color: Color | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """A net label: ``kind`` is local, global, hierarchical or directive (a net class flag)."""

    text: str
    at: Point
    kind: str = "local"
    angle: float = 0.0
    shape: str = "input"  # of global and hierarchical ones: input, output, bidirectional, tri_state, passive
    length: float = 2.54  # of a directive's pin
    style: TextStyle = DEFAULT_STYLE
    properties: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True)
class SheetPin:
    """A hierarchical pin on the border of a sheet box; ``shape`` and ``angle`` as for a label."""

    name: str
    shape: str
    at: Point
    angle: float
    style: TextStyle = DEFAULT_STYLE


@dataclass(frozen=True, slots=True)
class SheetBox:
    """A box that stands for a sub-sheet."""

    at: Point
    size: Point
    properties: tuple[Property, ...] = ()
    pins: tuple[SheetPin, ...] = ()
    uuid: str = ""
    dnp: bool = False  # of everything below it, as is ``in_bom``
    in_bom: bool = True
    color: Color | None = None  # of the border
    fill_color: Color | None = None

    @property
    def name(self) -> str:
        return next((p.value for p in self.properties if p.key in ("Sheetname", "Sheet name")), "")

    @property
    def file_name(self) -> str:
        """The file of the sub-sheet, as the box names it."""
        return next((p.value for p in self.properties if p.key in ("Sheetfile", "Sheet file")), "")


@dataclass(frozen=True, slots=True)
class TitleBlock:
    """The texts of the drawing frame's title block; ``comments`` are numbered from 1."""

    title: str = ""
    date: str = ""
    rev: str = ""
    company: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """One ``.kicad_sch`` file; ``size`` is the paper's width and height in mm.

    ``junction_diameters`` and ``junction_colors`` run along ``junctions``; empty means the default (0, None)
    for all of them.
    ``graphical_order`` says how ``lines`` and ``graphics`` alternate in the file, one letter an item:
    ``l`` takes the next line, ``g`` the next graphic; empty means the lines first.
    """

    size: Point = (297.0, 210.0)
    paper: str = "A4"
    version: int = 20231120
    uuid: str = ""
    title_block: TitleBlock = TitleBlock()
    lib_symbols: dict[str, LibSymbol] = field(default_factory=dict)
    symbols: tuple[PlacedSymbol, ...] = ()
    lines: tuple[Line, ...] = ()
    bus_entries: tuple[BusEntry, ...] = ()
    junctions: tuple[Point, ...] = ()
    junction_diameters: tuple[float, ...] = ()
    junction_colors: tuple[Color | None, ...] = ()
    no_connects: tuple[Point, ...] = ()
    labels: tuple[Label, ...] = ()
    graphics: tuple[Graphic, ...] = ()
    sheets: tuple[SheetBox, ...] = ()
    bus_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name and members
    sheet_instances: tuple[tuple[str, str], ...] = (("/", "1"),)  # path and page number
    graphical_order: str = ""
    frame: bool = True
    tables: tuple[Table, ...] = ()
    rule_areas: tuple[RuleArea, ...] = ()
    pictures: tuple[EmbeddedPicture, ...] = ()
    # What the file does not say of itself; see ``project_file``.
    file_name: str = ""
    text_variables: tuple[tuple[str, str], ...] = ()

    @property
    def empty_texts(self) -> tuple[str, ...]:
        """The names and values that stand for none: up to KiCad 9 ``~`` is one of them."""
        return ("",) if self.version >= TILDE_IS_TEXT else ("", "~")

    @property
    def component_names(self) -> list[str]:
        """The data set's ``components_used``: names of the library symbols that are placed, each once.

        The names are those after the colon, in the order of ``lib_symbols``.
        """
        placed = {symbol.library_key for symbol in self.symbols}
        return list(dict.fromkeys(symbol.name for key, symbol in self.lib_symbols.items() if key in placed))

    @property
    def graphical_items(self) -> tuple[Line | Graphic, ...]:
        """Lines and graphics in the order of the file.

        Raises ValueError where ``graphical_order`` does not name each of them once.
        """
        if not self.graphical_order:
            return (*self.lines, *self.graphics)
        expected = (len(self.lines), len(self.graphics), len(self.lines) + len(self.graphics))
        order = self.graphical_order
        if (order.count("l"), order.count("g"), len(order)) != expected:
            raise ValueError("graphical_order does not name each line and each graphic once")
        lines, graphics = iter(self.lines), iter(self.graphics)
        return tuple(next(lines) if letter == "l" else next(graphics) for letter in order)
