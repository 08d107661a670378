"""The habits of an imaginary project: which symbol for a resistor, which name for a supply."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MULTIPLIERS = "pnumkM"


@dataclass(frozen=True, slots=True)
class HouseStyle:
    """The style that the sheets of one project share."""

    resistor: str
    capacitor: str
    polarized: str
    inductor: str
    bead: str
    diode: str
    schottky: str
    zener: str
    led: str
    fuse: str
    crystal: str
    header: str  # "Pin", "Socket" or "" for the generic connector
    npn: str
    nmos: str
    pmos: str
    logic: str  # the name of the logic supply
    main: str  # of the supply behind the input
    high: str  # of the highest supply
    negative: str
    ground: str
    label_kind: str
    number_style: str  # "4.7k", "4k7" or "4.7K"
    farad_unit: str  # "", "F"
    fields_above: bool
    ground_named: bool
    section: str  # "", "title" or "box"
    package: str  # of small resistors and capacitors
    frame: bool
    chip_supply_flag: bool

    def number(self, value: str) -> str:
        """A value such as ``4.7k`` in the project's way of writing."""
        if self.number_style == "4k7" and "." in value and value[-1] in _MULTIPLIERS:
            whole, rest = value[:-1].split(".")
            return f"{whole}{value[-1]}{rest}"
        if self.number_style == "4.7K":
            return value.replace("k", "K")
        return value

    def farads(self, value: str) -> str:
        if self.farad_unit == "uF" and value == "100n":
            return "0.1uF"
        return value + "F" if self.farad_unit else self.number(value)

    def connector(self, count: int) -> str:
        return f"Conn_01x{count:02d}" + (f"_{self.header}" if self.header else "")


def draw_style(rng: random.Random, *, frame: float) -> HouseStyle:
    """A project's style; ``frame`` is the share of projects with a drawing frame."""
    small = rng.random() < 0.35
    american = rng.random() < 0.15

    def pick(large: str, little: str) -> str:
        return little if small else large

    def choose(*weighted: tuple[str, float]) -> str:
        return rng.choices([name for name, _ in weighted], [weight for _, weight in weighted])[0]

    logic = choose(("+3V3", 0.42), ("+3.3V", 0.3), ("VCC", 0.16), ("VDD", 0.12))
    return HouseStyle(
        resistor=pick("R_US", "R_Small_US") if american else pick("R", "R_Small"),
        capacitor=pick("C", "C_Small"),
        polarized="C_Polarized_US" if american else pick("C_Polarized", "C_Polarized_Small"),
        inductor=pick("L", "L_Small") if rng.random() < 0.8 else "L_Ferrite",
        bead=pick("Ferrite_Bead", "FerriteBead_Small"),
        diode=choose(("D", 0.5), ("D_Small", 0.15), ("1N4148", 0.2), ("1N4007", 0.15)),
        schottky=choose(("D_Schottky", 0.5), ("D_Schottky_Small", 0.15), ("1N5819", 0.2), ("SS34", 0.15)),
        zener=choose(("D_Zener", 0.6), ("D_Zener_Small", 0.2), ("BZX84Cxx", 0.2)),
        led=pick("LED", "LED_Small"),
        fuse=choose(("Fuse", 0.35), ("Fuse_Small", 0.15), ("Polyfuse", 0.35), ("Polyfuse_Small", 0.15)),
        crystal=choose(("Crystal", 0.4), ("Crystal_Small", 0.2), ("Crystal_GND24", 0.4)),
        header=choose(("Pin", 0.4), ("Socket", 0.15), ("", 0.45)),
        npn=choose(("Q_NPN_BCE", 0.35), ("Q_NPN_BEC", 0.15), ("2N3904", 0.25), ("BC847", 0.25)),
        nmos=choose(("Q_NMOS_GSD", 0.35), ("BSS138", 0.2), ("2N7002", 0.25), ("AO3400A", 0.2)),
        pmos=choose(("Q_PMOS_GSD", 0.6), ("AO3401A", 0.4)),
        logic=logic,
        main=choose(("+5V", 0.75), ("VBUS", 0.15), ("VSYS", 0.1)),
        high=choose(("+12V", 0.6), ("+24V", 0.15), ("+9V", 0.15), ("+15V", 0.1)),
        negative=choose(("-12V", 0.7), ("-15V", 0.3)),
        ground=choose(("GND", 0.9), ("GNDD", 0.06), ("GNDA", 0.04)),
        label_kind=choose(("local", 0.6), ("global", 0.3), ("hierarchical", 0.1)),
        number_style=choose(("4.7k", 0.5), ("4k7", 0.35), ("4.7K", 0.15)),
        farad_unit=choose(("", 0.45), ("nF", 0.35), ("uF", 0.2)),
        fields_above=rng.random() < 0.5,
        ground_named=rng.random() < 0.8,
        section=choose(("", 0.5), ("title", 0.2), ("box", 0.3)),
        package=rng.choice(("0402_1005Metric", "0603_1608Metric", "0805_2012Metric")),
        frame=rng.random() < frame,
        chip_supply_flag=rng.random() < 0.3,
    )
