"""Microcontrollers, logic and memory.

Microcontroller symbols are simplified: supply pins that a sheet always wires together are drawn once.
"""

from __future__ import annotations

from schematic_reader.kicad.model import Graphic, SymbolUnit
from schematic_reader.synthetic.symbols.shapes import (
    DOWN,
    LEFT,
    RIGHT,
    UP,
    Kind,
    arc,
    chip,
    circle,
    line,
    make_units,
    pin,
)


def _gate(unit: int, shape: str, inputs: tuple[str, ...], out: str) -> SymbolUnit:
    """One gate in the distinctive shapes of ANSI Y32.14."""
    body: tuple[Graphic, ...]
    if shape == "nand":
        body = (
            line((0, 3), (-3, 3), (-3, -3), (0, -3)),
            arc((0, 3), (3, 0), (0, -3)),
            circle(3.4, 0, 0.4),
        )
    else:
        body = (
            line((-3, 3), (3, 0), (-3, -3), (-3, 3), fill="background"),
            circle(3.4, 0, 0.4, fill="background"),
        )
        if shape == "schmitt":
            body += (
                line((-2.2, -0.6), (-1.2, -0.6), (-0.8, 0.6)),
                line((-1.6, -0.6), (-1.2, 0.6), (-0.2, 0.6)),
            )
    spread = 2 if len(inputs) == 2 else 0
    pins = [pin(number, -6, spread - 2 * spread * i, RIGHT, 3, "~", "i") for i, number in enumerate(inputs)]
    pins.append(pin(out, 6, 0, LEFT, 2.2, "~", "o"))
    return SymbolUnit(unit, 1, body, tuple(pins))


def _logic_supply(unit: int) -> SymbolUnit:
    body = (line((-2, 4), (2, 4), (2, -4), (-2, -4), (-2, 4), fill="background"),)
    pins = (pin("14", 0, 6, DOWN, 2, "VCC", "p"), pin("7", 0, -6, UP, 2, "GND", "p"))
    return SymbolUnit(unit, 1, body, pins)


_NAND_PINS = ((("1", "2"), "3"), (("4", "5"), "6"), (("9", "10"), "8"), (("12", "13"), "11"))
_INVERTER_PINS = (
    (("1",), "2"),
    (("3",), "4"),
    (("5",), "6"),
    (("9",), "8"),
    (("11",), "10"),
    (("13",), "12"),
)


def _gates(name: str, shape: str) -> Kind:
    pins = _NAND_PINS if shape == "nand" else _INVERTER_PINS
    units = tuple(_gate(i + 1, shape, inputs, out) for i, (inputs, out) in enumerate(pins))
    return make_units("74xx", name, "U", (*units, _logic_supply(len(units) + 1)), fields="above")


_SHIFT_LEFT = "14 SER i, 11 SRCLK i, 12 RCLK i, 10 ~{SRCLR} i, 13 ~{OE} i"
_SHIFT_RIGHT = "15 QA t, 1 QB t, 2 QC t, 3 QD t, 4 QE t, 5 QF t, 6 QG t, 7 QH t, 9 QH' o"

DIGITAL: tuple[Kind, ...] = (
    chip(
        "MCU_Microchip_ATmega",
        "ATmega328P-A",
        left="29 ~{RESET}/PC6, -, -, 7 XTAL1/PB6, 8 XTAL2/PB7, -, 20 AREF, -, 23 PC0, 24 PC1, 25 PC2, 26 PC3,"
        "27 PC4, 28 PC5",
        right="30 PD0, 31 PD1, 32 PD2, 1 PD3, 2 PD4, 9 PD5, 10 PD6, 11 PD7, -, 12 PB0, 13 PB1, 14 PB2,"
        "15 PB3, 16 PB4, 17 PB5",
        top="4 VCC p, 18 AVCC p",
        bottom="3 GND p, 5 GND p",
        width=24,
    ),
    chip(
        "MCU_Microchip_ATtiny",
        "ATtiny85-20S",
        right="5 PB0, 6 PB1, 7 PB2, 2 PB3, 3 PB4, 1 ~{RESET}/PB5",
        top="8 VCC p",
        bottom="4 GND p",
        width=20,
    ),
    chip(
        "MCU_Microchip_ATtiny",
        "ATtiny13A-SSU",
        right="5 PB0, 6 PB1, 7 PB2, 2 PB3, 3 PB4, 1 ~{RESET}/PB5",
        top="8 VCC p",
        bottom="4 GND p",
        width=20,
    ),
    chip(
        "MCU_ST_STM32F1",
        "STM32F103C8Tx",
        left="7 NRST, -, 44 BOOT0 i, -, 5 PD0, 6 PD1, -, 18 PB0, 19 PB1, 42 PB6, 43 PB7, 21 PB10,"
        "22 PB11, 25 PB12",
        right="10 PA0, 11 PA1, 12 PA2, 13 PA3, 14 PA4, 15 PA5, 16 PA6, 17 PA7, 30 PA9, 31 PA10, 32 PA11,"
        "33 PA12, 34 PA13, 37 PA14",
        top="1 VBAT p, 24 VDD p, 9 VDDA p",
        bottom="23 VSS p, 8 VSSA p",
        width=20,
    ),
    chip(
        "MCU_ST_STM32G0",
        "STM32G030F6Px",
        left="6 PF2, 2 PB7, 3 PC14, -, 15 PB0, 20 PB6",
        right="7 PA0, 8 PA1, 9 PA2, 10 PA3, 11 PA4, 12 PA5, 18 PA13, 19 PA14",
        top="4 VDD p",
        bottom="5 VSS p",
        width=16,
    ),
    chip(
        "MCU_RaspberryPi",
        "RP2040",
        left="26 RUN i, -, 20 XIN i, 21 XOUT, -, 47 USB_DP, 46 USB_DM, -, 56 QSPI_SS, 52 QSPI_SCLK, "
        "53 QSPI_SD0, 55 QSPI_SD1, 24 SWCLK i, 25 SWDIO",
        right="2 GPIO0, 3 GPIO1, 4 GPIO2, 5 GPIO3, 6 GPIO4, 7 GPIO5, 8 GPIO6, 9 GPIO7, 11 GPIO8, 12 GPIO9, -,"
        "38 GPIO26, 39 GPIO27, 40 GPIO28",
        top="1 IOVDD p, 23 DVDD p, 44 VREG_VIN p",
        bottom="57 GND p",
        width=26,
    ),
    chip(
        "RF_Module",
        "ESP32-WROOM-32",
        left="3 EN i, -, 4 SENSOR_VP i, 5 SENSOR_VN i, -, 35 TXD0/IO1, 34 RXD0/IO3, -, 25 IO0,"
        "24 IO2, 26 IO4, 29 IO5",
        right="14 IO12, 16 IO13, 13 IO14, 23 IO15, 27 IO16, 28 IO17, 30 IO18, 31 IO19, 33 IO21,"
        "36 IO22, 37 IO23, 10 IO25, 11 IO26, 12 IO27",
        top="2 VDD p",
        bottom="1 GND p",
        width=24,
    ),
    chip(
        "RF_Module",
        "ESP32-C3-WROOM-02",
        left="2 EN i, -, 8 IO9, 7 IO8, -, 11 RXD/IO20, 12 TXD/IO21",
        right="18 IO0, 17 IO1, 16 IO2, 15 IO3, 3 IO4, 4 IO5, 5 IO6, 6 IO7, 10 IO10, 13 IO18, 14 IO19",
        top="1 3V3 p",
        bottom="9 GND p",
        width=22,
    ),
    chip(
        "RF_Module",
        "ESP-12E",
        left="1 ~{RST} i, 3 EN i, -, 2 ADC i",
        right="18 GPIO0, 22 GPIO1/TXD, 17 GPIO2, 21 GPIO3/RXD, 19 GPIO4, 20 GPIO5, 6 GPIO12, 7 GPIO13,"
        "16 GPIO15",
        top="8 VCC p",
        bottom="15 GND p",
        width=22,
    ),
    chip(
        "MCU_WCH_CH32V0",
        "CH32V003F4Px",
        left="4 PD7, 5 PA1, 6 PA2, -, 8 PD0, 18 PD1",
        right="10 PC0, 11 PC1, 12 PC2, 13 PC3, 14 PC4, 15 PC5, 19 PD2, 20 PD3, 1 PD4, 2 PD5",
        top="9 VDD p",
        bottom="7 VSS p",
        width=14,
    ),
    chip(
        "MCU_Module",
        "Arduino_Nano_v3.x",
        left="1 TX/D1, 2 RX/D0, 5 D2, 6 D3, 7 D4, 8 D5, 9 D6, 10 D7, 11 D8, 12 D9, 13 D10",
        right="28 ~{RESET} i, -, 19 A0, 20 A1, 21 A2, 22 A3, 23 A4, 24 A5, -, 14 MOSI/D11,"
        "15 MISO/D12, 16 SCK/D13",
        top="30 VIN p, 27 +5V P",
        bottom="4 GND p, 29 GND p",
        prefix="A",
        width=26,
    ),
    chip(
        "74xx",
        "74HC595",
        left=_SHIFT_LEFT,
        right=_SHIFT_RIGHT,
        top="16 VCC p",
        bottom="8 GND p",
        width=18,
    ),
    chip(
        "74xx",
        "74AHC595",
        left=_SHIFT_LEFT,
        right=_SHIFT_RIGHT,
        top="16 VCC p",
        bottom="8 GND p",
        width=18,
    ),
    chip(
        "74xx",
        "74HC165",
        left="10 DS i, 11 D0 i, 12 D1 i, 13 D2 i, 14 D3 i, 3 D4 i, 4 D5 i, 5 D6 i, 6 D7 i",
        right="9 Q7 o, 7 ~{Q7} o, -, 1 ~{PL} i, 2 CP i, 15 ~{CE} i",
        top="16 VCC p",
        bottom="8 GND p",
        width=14,
    ),
    _gates("74HC00", "nand"),
    _gates("74HC04", "inverter"),
    _gates("74HC14", "schmitt"),
    chip(
        "Logic_LevelTranslator",
        "74LVC1T45",
        left="3 A, 5 DIR i",
        right="4 B",
        top="1 VCCA p, 6 VCCB p",
        bottom="2 GND p",
        width=12,
    ),
    chip(
        "Logic_LevelTranslator",
        "TXS0102DCU",
        left="5 A1, 4 A2, 6 OE i",
        right="8 B1, 1 B2",
        top="3 VCCA p, 7 VCCB p",
        bottom="2 GND p",
        width=14,
    ),
    chip(
        "Memory_EEPROM",
        "24LC256",
        left="1 A0 i, 2 A1 i, 3 A2 i",
        right="5 SDA, 6 SCL i, 7 WP i",
        top="8 VCC p",
        bottom="4 GND p",
        width=14,
    ),
    chip(
        "Memory_EEPROM",
        "AT24CS02-SSHM",
        value="AT24CS02",
        left="1 A0 i, 2 A1 i, 3 A2 i",
        right="5 SDA, 6 SCL i, 7 WP i",
        top="8 VCC p",
        bottom="4 GND p",
        width=14,
    ),
    chip(
        "Memory_Flash",
        "W25Q32JVSS",
        left="1 ~{CS} i, 6 CLK i",
        right="5 IO0, 2 IO1, 3 IO2, 7 IO3",
        top="8 VCC p",
        bottom="4 GND p",
        width=14,
    ),
    chip(
        "Interface_Expansion",
        "PCF8574",
        left="15 SDA, 14 SCL i, 13 ~{INT} c, -, 1 A0 i, 2 A1 i, 3 A2 i",
        right="4 P0, 5 P1, 6 P2, 7 P3, 9 P4, 10 P5, 11 P6, 12 P7",
        top="16 VDD p",
        bottom="8 VSS p",
        width=16,
    ),
    chip(
        "Timer_RTC",
        "DS3231M",
        left="16 SCL i, 15 SDA",
        right="1 32KHZ c, 3 ~{INT}/SQW c, 4 ~{RST}",
        top="2 VCC p, 14 VBAT p",
        bottom="13 GND p",
        width=22,
    ),
    chip(
        "Timer_RTC",
        "DS1307Z+",
        left="6 SCL i, 5 SDA, -, 1 X1, 2 X2",
        right="7 SQW/OUT c",
        top="8 VCC p, 3 VBAT p",
        bottom="4 GND p",
        width=22,
    ),
    chip(
        "LED",
        "WS2812B",
        left="4 DIN i",
        right="2 DOUT o",
        top="1 VDD p",
        bottom="3 VSS p",
        prefix="D",
        width=12,
    ),
)
