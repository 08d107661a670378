"""Text that the tokenizer is trained on: what stands on schematic sheets and what is asked about them.

Everything is made up from word lists and a seed; no file of a symbol library or data set is read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

_PREFIXES = "R C L D Q U J K F Y SW BT TP H FB LED RV RN JP IC X T M LS MK P CN".split()
_UNITS = {
    "R": ["", "k", "M", "R", "m", "Ω", "kΩ"],
    "C": ["p", "n", "u", "pF", "nF", "uF", "µF", "µ"],
    "L": ["n", "u", "m", "nH", "uH", "mH", "µH"],
    "Y": ["MHz", "kHz"],
}
_NETS = (
    "SDA SCL MOSI MISO SCK CS NSS TX RX TXD RXD RTS CTS DTR RESET NRST RST EN BOOT0 SWDIO SWCLK SWO TCK TMS TDI TDO "
    "USB_DP USB_DM D+ D- VBUS CC1 CC2 INT IRQ ALERT BUSY DRDY LED LED_R LED_G LED_B PWM FAN DIR STEP ENABLE FAULT "
    "XTAL1 XTAL2 OSC_IN OSC_OUT ADC0 ADC1 AIN DAC VREF AREF SENSE FB SW COMP SS GATE OUT OUTPUT IN INPUT CLK CLOCK "
    "DATA LATCH STROBE WR RD CE OE ALE ADDR A0 A1 A2 D0 D1 D7 GPIO0 IO1 P0 PA0 PB1 PC13 PD2 CANH CANL CAN_H CAN_L "
    "VBAT BAT+ BAT- CHG PG STAT TEMP NTC HOME LIMIT BTN BUTTON KEY ROW COL I2C SPI UART I2S BCLK LRCK DIN DOUT MUTE "
    "AUDIO_L AUDIO_R GAIN TRIG ECHO RFID ANT TRST SDIO_CMD SD_CS ETH_TX+ ETH_RX- LINK ACT VIN VOUT"
).split()
_POWER = (
    "GND GNDA GNDD GNDPWR Earth VCC VDD VSS VEE VDDA VSSA AVDD DVDD +3V3 +5V +12V +24V +9V +1V8 +2V5 +1V2 +15V "
    "-5V -12V -15V +3.3V +5VA +3V3A +BATT VBUS VAA VPP PWR_FLAG +48V +7.5V"
).split()
_CHIPS = (
    "AMS1117-3.3 AP2112K-3.3 LM317 L7805 LM7805_TO220 LM2596S-5 MP1584 TPS54331 MCP1700 NE555 LM358 TL072 LM324 LM393 "
    "MCP6002 OPA2134 LM741 TL431 ATmega328P-A ATmega328P-PU ATtiny85-20P STM32F103C8Tx STM32F405RGTx ESP32-WROOM-32 "
    "ESP32-S3-WROOM-1 ESP-12F RP2040 nRF52832 PIC16F877A 74HC595 74HC165 74HC00 74HC04 74HC14 74HC138 74HC4051 "
    "CD4017 CD4051 ULN2003 ULN2803A L293D DRV8825 DRV8833 A4988 MAX232 MAX485E SP3485 CP2102N CH340G FT232RL MCP2515 "
    "MCP2551 TJA1050 24LC256 AT24C32 W25Q32JV DS3231 DS1307 BME280 BMP280 MPU-6050 SSD1306 INA219 ADS1115 MCP3008 "
    "MCP4725 PCA9685 PCF8574 MCP23017 HX711 TP4056 DW01A FS8205 IRF540N IRLZ44N IRF9540N BSS138 2N7002 AO3400A AO3401A "
    "BC547 BC557 2N3904 2N2222 2N3906 S8050 TIP120 BD139 1N4148 1N4007 1N5819 BAT54 SS34 1N4733 SMBJ5.0A PC817 "
    "MOC3021 4N35 WS2812B TXB0104 74LVC245 74AHCT125 USBLC6-2SC6 PRTR5V0U2X SN65HVD230 MAX98357 PAM8403 LM386 TDA2030"
).split()
_SYMBOLS = (
    "R R_Small R_US R_Potentiometer R_Network04 R_Pack04 C C_Small C_Polarized C_Polarized_Small CP CP1 L L_Small "
    "L_Core_Ferrite Ferrite_Bead Ferrite_Bead_Small D D_Small D_Schottky D_Schottky_Small D_Zener D_TVS D_Bridge_+-AA "
    "LED LED_Small LED_RGB LED_RCBG Q_NPN_BEC Q_PNP_BEC Q_NMOS_GSD Q_PMOS_GSD Q_NJFET_DGS Crystal Crystal_GND24 "
    "Crystal_Small Resonator Fuse Fuse_Small Polyfuse Battery Battery_Cell Speaker Buzzer Microphone Antenna Motor_DC "
    "Transformer_1P_1S Varistor Thermistor_NTC SW_Push SW_SPST SW_SPDT SW_DIP_x04 Rotary_Encoder_Switch Relay "
    "G5V-1 Jumper Jumper_2_Open Jumper_3_Bridged12 SolderJumper_2_Open SolderJumper_3_Bridged12 TestPoint "
    "MountingHole MountingHole_Pad Fiducial Logo_Open_Hardware_Small Conn_01x02 Conn_01x03_Pin Conn_01x04_Male "
    "Conn_01x06_Female Conn_01x08_Socket Conn_02x03_Odd_Even Conn_02x05_Odd_Even Conn_02x10_Counter_Clockwise "
    "Conn_ARM_JTAG_SWD_10 Conn_Coaxial Screw_Terminal_01x02 Screw_Terminal_01x03 Barrel_Jack Barrel_Jack_Switch "
    "USB_B_Micro USB_B_Mini USB_A USB_C_Receptacle USB_C_Receptacle_USB2.0 RJ45 RJ12 DB9_Female AudioJack3 "
    "Micro_SD_Card SIM_Card Opamp_Dual_Generic Potentiometer Generic Device Symbol Connector Switch Transistor_BJT "
    "Transistor_FET Regulator_Linear Regulator_Switching MCU_Microchip_ATmega MCU_ST_STM32F1 Amplifier_Operational "
    "Interface_USB Sensor_Temperature Memory_EEPROM Timer Driver_Motor Power_Management RF_Module power"
).split()
_KINDS = (
    "resistor capacitor polarized capacitor inductor ferrite bead diode Schottky diode Zener diode light emitting diode "
    "transistor NPN transistor PNP transistor N-channel MOSFET P-channel MOSFET crystal resonator fuse battery battery "
    "cell switch push button relay motor speaker buzzer microphone antenna transformer potentiometer thermistor "
    "varistor connector pin header socket screw terminal barrel jack USB connector test point mounting hole jumper "
    "solder jumper voltage regulator operational amplifier comparator timer microcontroller module shift register "
    "inverter gate NAND gate level shifter motor driver memory sensor clock optocoupler bridge rectifier ground supply "
    "power symbol power flag integrated circuit display encoder"
)
_PROSE = (
    "Transcribe all text on this sheet in reading order, one line for each text, from top to bottom and left to right.",
    "List the kinds of symbols that are drawn on this schematic sheet, each kind once, in alphabetical order.",
    "Which library symbols are placed on this schematic? Give the name of each one as the library spells it.",
    "How many capacitors are on this sheet? Answer with a number. Count the symbols of each kind.",
    "What is written in the upper left corner, in the middle, at the lower right, near column 12 and row 7?",
    "Where on the sheet is the text found? Give its place in percent of the width and of the height.",
    "Describe this schematic as YAML. Answer with JSON alone, without comments. Write the KiCad schematic file.",
    "Answer with the names alone, separated by commas. The project is called; its file has the format of KiCad.",
    "true false null none yes no there is not any and or of the in on at to with for from by a an this that it is",
    "wire net label bus pin unit value reference footprint symbol sheet component schematic board circuit drawing page",
    "Title: Rev: Date: Size: A4 A3 Id: 1/1 File: Sheet: Company: Comment KiCad E.D.A. eeschema power supply sensor",
)
_FOOTPRINTS = (
    "Resistor_SMD:R_0603_1608Metric Capacitor_SMD:C_0805_2012Metric Package_SO:SOIC-8_3.9x4.9mm_P1.27mm "
    "Package_TO_SOT_SMD:SOT-23 Package_QFP:LQFP-48_7x7mm_P0.5mm LED_SMD:LED_0603_1608Metric Diode_SMD:D_SOD-123 "
    "Connector_PinHeader_2.54mm:PinHeader_1x04_P2.54mm_Vertical Package_DIP:DIP-8_W7.62mm TestPoint:TestPoint_Pad_D1.0mm"
).split()


def lines(count: int, seed: int) -> Iterator[str]:
    """``count`` lines of made-up sheet text, questions, part lists and structured descriptions."""
    rng = random.Random(seed)
    makers = (_parts, _parts, _sheet_text, _sheet_text, _kinds, _prose, _structured, _place)
    for _ in range(count):
        yield rng.choice(makers)(rng)


def _value(rng: random.Random, prefix: str) -> str:
    if prefix in _UNITS:
        number = rng.choice(
            ["1", "10", "100", "22", "47", "4.7", "2.2", "330", "0.1", "12", "18", "8", "16", "32.768"]
        )
        unit = rng.choice(_UNITS[prefix])
        return (
            number.replace(".", unit)
            if unit in ("k", "R", "n", "u") and rng.random() < 0.3
            else number + unit
        )
    return rng.choice(_CHIPS)


def _net(rng: random.Random) -> str:
    name = rng.choice(_NETS)
    return f"{name}{rng.choice(['', '_', ''])}{rng.randrange(16)}" if rng.random() < 0.3 else name


def _parts(rng: random.Random) -> str:
    pool = _SYMBOLS + _POWER + _CHIPS
    return ", ".join(sorted(set(rng.choices(pool, k=rng.randrange(3, 20)))))


def _sheet_text(rng: random.Random) -> str:
    words = []
    for _ in range(rng.randrange(4, 24)):
        prefix = rng.choice(_PREFIXES)
        words += [f"{prefix}{rng.randrange(1, 60)}", _value(rng, prefix)]
        if rng.random() < 0.5:
            words.append(rng.choice([_net(rng), rng.choice(_POWER)]))
    return rng.choice([" ", "\n"]).join(words)


def _kinds(rng: random.Random) -> str:
    words = _KINDS.split()
    return ", ".join(f"{rng.randrange(1, 9)} {rng.choice(words)}" for _ in range(rng.randrange(2, 9)))


def _prose(rng: random.Random) -> str:
    return rng.choice(_PROSE)


def _place(rng: random.Random) -> str:
    return f"{rng.randrange(100)} {rng.randrange(100)}: {_net(rng)}"


def _structured(rng: random.Random) -> str:
    prefix = rng.choice(_PREFIXES)
    part = {
        "reference": f"{prefix}{rng.randrange(1, 60)}",
        "symbol": rng.choice(_SYMBOLS),
        "value": _value(rng, prefix),
        "footprint": rng.choice(_FOOTPRINTS),
        "labels": [_net(rng) for _ in range(rng.randrange(3))],
    }
    style = rng.randrange(3)
    if style == 0:
        return json.dumps({"components": [part], "labels": [], "sheets": []}, ensure_ascii=False)
    if style == 1:
        return "".join(
            f"  - {key}: {value}\n" if key == "reference" else f"    {key}: {value}\n"
            for key, value in part.items()
        )
    return (
        f'(symbol (lib_id "Device:{part["symbol"]}") (at {rng.randrange(200)}.{rng.randrange(100)} 50.8 0) (unit 1)\n'
        f'  (property "Reference" "{part["reference"]}" (at 0 1.27 0) (effects (font (size 1.27 1.27)))))'
    )
