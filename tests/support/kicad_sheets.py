"""Small hand-made sheets for the tests of schematic_reader.kicad."""

from __future__ import annotations

from schematic_reader.kicad.model import (
    Arc,
    Bezier,
    BusEntry,
    Circle,
    Label,
    LibSymbol,
    Line,
    Pin,
    PlacedSymbol,
    Polyline,
    Property,
    Rectangle,
    Sheet,
    SheetBox,
    SheetPin,
    SymbolUnit,
    Text,
    TextBox,
    TextStyle,
    TitleBlock,
)

LEFT = TextStyle(h_align="left")

RESISTOR = LibSymbol(
    lib_id="Device:R",
    properties=(
        Property("Reference", "R", at=(2.032, 0), angle=90),
        Property("Value", "R", at=(0, 0), angle=90),
        Property("Footprint", "", hidden=True),
    ),
    units=(
        SymbolUnit(0, 1, graphics=(Rectangle((-1.016, -2.54), (1.016, 2.54), width=0.254),)),
        SymbolUnit(
            1,
            1,
            pins=(
                Pin("1", "~", at=(0, 3.81), angle=270, length=1.27),
                Pin("2", "~", at=(0, -3.81), angle=90, length=1.27),
            ),
        ),
    ),
    pin_numbers_hidden=True,
    pin_name_offset=0,
)

GATE = LibSymbol(
    lib_id="Logic:Gate",
    properties=(Property("Reference", "U"), Property("Value", "Gate")),
    units=(
        SymbolUnit(0, 0, graphics=(Rectangle((-5.08, -5.08), (5.08, 5.08), fill="background"),)),
        *(
            SymbolUnit(
                unit,
                1,
                graphics=(
                    Arc((-1, 0), (0, 1), (1, 0)),
                    Bezier(((-2, -2), (-1, -3), (1, -3), (2, -2))),
                    Circle((0, 0), 0.5, fill="outline"),
                    Polyline(((-3, -3), (3, -3)), width=0.5, dash="dash"),
                    Text("&\n1", (0, 3), angle=90, style=TextStyle(size=2, bold=True, h_align="left")),
                ),
                pins=(
                    Pin("1", "~{CLK}", (-7.62, 2.54), 0, kind="input", shape="inverted_clock"),
                    Pin("2", "Q", (7.62, 2.54), 180, kind="output"),
                    Pin("3", "NC", (7.62, -2.54), 180, kind="no_connect", hidden=True),
                ),
            )
            for unit in (1, 2)
        ),
    ),
    pin_name_offset=1.016,
)

GROUND = LibSymbol(
    lib_id="power:GND",
    properties=(Property("Reference", "#PWR", hidden=True), Property("Value", "GND", at=(0, -3.81))),
    units=(
        SymbolUnit(
            0, 1, graphics=(Polyline(((0, 0), (0, -1.27), (1.27, -1.27), (0, -2.54), (-1.27, -1.27))),)
        ),
        SymbolUnit(1, 1, pins=(Pin("1", "GND", (0, 0), 270, length=0, kind="power_in", hidden=True),)),
    ),
    power=True,
)


def every_feature() -> Sheet:
    """A sheet with one of everything."""
    return Sheet(
        uuid="6a31734e-65de-48f3-8156-2b24b665b183",
        title_block=TitleBlock('Title "quoted"', "2024-01-02", "B", "Acme", ("one", "", "three")),
        lib_symbols={"Device:R": RESISTOR, "Logic:Gate": GATE, "power:GND": GROUND},
        symbols=(
            PlacedSymbol(
                "Device:R",
                (50.8, 50.8),
                properties=(
                    Property("Reference", "R1", (53.34, 49.53), style=LEFT),
                    Property("Value", "4k7", (53.34, 52.07), style=LEFT),
                    Property("MPN", "X-1", (53.34, 54.61), show_name=True, style=LEFT),
                ),
            ),
            PlacedSymbol(
                "Logic:Gate",
                (88.9, 50.8),
                angle=90,
                mirror="x",
                unit=2,
                dnp=True,
                properties=(Property("Reference", "U1", (80, 40)), Property("Value", "Gate", (80, 43))),
            ),
            PlacedSymbol(
                "power:GND",
                (50.8, 54.61),
                properties=(
                    Property("Reference", "#PWR01", (50.8, 60), hidden=True),
                    Property("Value", "GND", (50.8, 58.42)),
                ),
            ),
        ),
        lines=(
            Line(((50.8, 46.99), (50.8, 40.64))),
            Line(((101.6, 20.32), (101.6, 60.96)), kind="bus"),
        ),
        bus_entries=(BusEntry((101.6, 30.48), (2.54, 2.54)),),
        junctions=((50.8, 40.64), (60.96, 40.64)),
        junction_diameters=(0.0, 1.016),
        no_connects=((63.5, 63.5),),
        labels=(
            Label("NET_1", (50.8, 40.64), style=TextStyle(h_align="left", v_align="bottom")),
            Label("GLOBAL", (120, 40), kind="global", angle=180, shape="bidirectional"),
            Label("HIER{slash}A", (120, 50), kind="hierarchical", angle=90, shape="output"),
            Label(
                "",
                (120, 60),
                kind="directive",
                shape="round",
                length=2.54,
                properties=(Property("Netclass", "Fast", (121, 57), style=LEFT),),
            ),
        ),
        graphics=(
            Text("note\nline", (20, 20), style=TextStyle(size=2, italic=True, h_align="right")),
            Polyline(((10, 10), (20, 10)), dash="dot"),
            TextBox("in a box", (150, 20), (30, 10), style=LEFT, width=0.3),
        ),
        graphical_order="lggl" + "g",
        sheets=(
            SheetBox(
                (150, 50),
                (30, 20),
                properties=(
                    Property("Sheetname", "Power", (150, 49), style=LEFT),
                    Property("Sheetfile", "power.kicad_sch", (150, 71), style=LEFT),
                ),
                pins=(SheetPin("IN", "input", (150, 60), 180, LEFT), SheetPin("OUT", "output", (180, 60), 0)),
            ),
        ),
    )
