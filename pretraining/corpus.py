"""Text that the tokenizer is trained on: what stands on schematic sheets and what is asked about them.

Everything is made up from word lists and a seed; no file of a symbol library or data set is read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

_UNITS = {
    "R": ["", "k", "M", "R", "m", "Ω", "kΩ"],
    "C": ["p", "n", "u", "pF", "nF", "uF", "µF", "µ"],
    "L": ["n", "u", "m", "nH", "uH", "mH", "µH"],
    "Y": ["MHz", "kHz"],
}


def _words() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / "words.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
            whole = line == "[prose]"
        elif line and not line.startswith("#"):
            section += [line] if whole else line.split()
    return sections


_WORDS = _words()


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
    return rng.choice(_WORDS["chips"])


def _net(rng: random.Random) -> str:
    name = rng.choice(_WORDS["nets"])
    return f"{name}{rng.choice(['', '_', ''])}{rng.randrange(16)}" if rng.random() < 0.3 else name


def _parts(rng: random.Random) -> str:
    pool = _WORDS["symbols"] + _WORDS["power"] + _WORDS["chips"]
    return ", ".join(sorted(set(rng.choices(pool, k=rng.randrange(3, 20)))))


def _sheet_text(rng: random.Random) -> str:
    words = []
    for _ in range(rng.randrange(4, 24)):
        prefix = rng.choice(_WORDS["prefixes"])
        words += [f"{prefix}{rng.randrange(1, 60)}", _value(rng, prefix)]
        if rng.random() < 0.5:
            words.append(rng.choice([_net(rng), rng.choice(_WORDS["power"])]))
    return rng.choice([" ", "\n"]).join(words)


def _kinds(rng: random.Random) -> str:
    return ", ".join(
        f"{rng.randrange(1, 9)} {rng.choice(_WORDS['kinds'])}" for _ in range(rng.randrange(2, 9))
    )


def _prose(rng: random.Random) -> str:
    return rng.choice(_WORDS["prose"])


def _place(rng: random.Random) -> str:
    return f"{rng.randrange(100)} {rng.randrange(100)}: {_net(rng)}"


def _structured(rng: random.Random) -> str:
    prefix = rng.choice(_WORDS["prefixes"])
    part = {
        "reference": f"{prefix}{rng.randrange(1, 60)}",
        "symbol": rng.choice(_WORDS["symbols"]),
        "value": _value(rng, prefix),
        "footprint": rng.choice(_WORDS["footprints"]),
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
        f'(symbol (lib_id "Device:{part["symbol"]}") (at {rng.randrange(200)}.{rng.randrange(100)} 50.8 0)\n'
        f'  (property "Reference" "{part["reference"]}" (at 0 1.27 0) (effects (font (size 1.27 1.27)))))'
    )
