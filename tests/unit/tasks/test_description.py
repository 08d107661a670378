"""The structured tasks: six layouts of one description, and text that must not hurt."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from schematic_reader.tasks import json_description, schematic, task, yaml_description
from schematic_reader.tasks.contract import Form
from schematic_reader.tasks.json_description import load as load_json
from schematic_reader.tasks.yaml_description import load as load_yaml

STRUCTURED = ("json", "yaml", "schematic")
TASKS = {"json": json_description.TASK, "yaml": yaml_description.TASK, "schematic": schematic.TASK}


def placed(library: str, name: str, reference: str, value: str, x: float, y: float) -> dict[str, object]:
    fields = [{"key": "Reference", "value": reference}, {"key": "Value", "value": value}]
    position = {"x": x, "y": y, "angle": 0}
    return {"libraryNickname": library, "entryName": name, "position": position, "properties": fields}


# The resistor stands right of the ground symbol in the same band; the sub-sheet below them.
DOCUMENT = {
    "libSymbols": ["Device:R", "power:GND"],
    "schematicSymbols": [
        placed("Device", "R", "R1", "4.70", 60.0, 30.0),
        placed("power", "GND", "#PWR012", "GND", 20.0, 45.0),
        placed("power", "GND", "#PWR013", "GND", 10.0, 80.0),
    ],
    "labels": [{"text": "on", "position": {"x": 1, "y": 1, "angle": 0}}],
    "globalLabels": [{"text": "SDA", "shape": "input", "position": {"x": 5, "y": 5, "angle": 0}}],
    "hierarchicalLabels": [],
    "sheets": [{"sheetName": "Power supply", "fileName": "p.kicad_sch", "position": {"x": 9, "y": 99}}],
}
SCHEMATIC = """(kicad_sch (version 20231120) (lib_symbols (symbol "Device:R" (property "Reference" "R")))
  (symbol (lib_name "R_1") (lib_id "Device:R") (at 60 30 0)
    (property "Reference" "R1" (at 0 0 0)) (property private "Value" "4.70"))
  (symbol (lib_id "power:GND") (at 20 45 0) (property "Reference" "#PWR012") (property "Value" "GND"))
  (symbol (lib_id "power:GND") (at 10 80 0) (property "Reference" "#PWR013") (property "Value" "GND"))
  (wire (pts (xy 1 1) (xy 2 2)))
  (label "on" (at 1 1 0))
  (global_label "SDA" (shape input) (at 5 5 0))
  (sheet (at 9 99) (size 5 5) (property "Sheetname" "Power supply") (property "Sheetfile" "p.kicad_sch")))
"""
ROW = {"name": "o/b", "type": ".kicad_sch", "json": json.dumps(DOCUMENT), "schematic": SCHEMATIC}
ROW["yaml"] = ROW["json"]  # JSON is YAML
ITEMS = Counter(
    {
        ("symbol", "R1", "R", "4.70"): 1,
        ("symbol", "", "GND", "GND"): 2,
        ("label", "local", "on"): 1,
        ("label", "global", "SDA"): 1,
        ("sheet", "Power supply"): 1,
    }
)
COMPACT = {
    "json": '{"symbols":[["power:GND","GND"],["R1","Device:R","4.70"],["power:GND","GND"]],'
    '"labels":["on"],"globalLabels":["SDA"],"sheets":["Power supply"]}',
    "yaml": "symbols:\n- ['power:GND', GND]\n- [R1, 'Device:R', '4.70']\n- ['power:GND', GND]\n"
    "labels: ['on']\nglobalLabels: [SDA]\nsheets: [Power supply]",
    "schematic": '(kicad_sch\n\t(symbol "power:GND" "GND")\n\t(symbol "R1" "Device:R" "4.70")\n'
    '\t(symbol "power:GND" "GND")\n\t(label "on")\n\t(global_label "SDA")\n\t(sheet "Power supply")\n)',
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_compact_target_is_in_reading_order(name: str) -> None:
    assert task(name).target(ROW, form="compact") == COMPACT[name]


@pytest.mark.parametrize("name", STRUCTURED)
def test_verbatim_target_is_the_text_itself(name: str) -> None:
    assert task(name).target(ROW, form="verbatim") == ROW[name].strip()


@pytest.mark.parametrize("form", ["verbatim", "compact"])
@pytest.mark.parametrize("name", STRUCTURED)
def test_both_forms_hold_the_same_items(name: str, form: Form) -> None:
    target = task(name).target(ROW, form=form)
    assert target is not None
    assert task(name).parse(target).items == ITEMS


@pytest.mark.parametrize("name", STRUCTURED)
def test_forms_are_asked_for_differently(name: str) -> None:
    compact = task(name).prompt(ROW, form="compact", with_name=True)
    assert compact.startswith("Project: o/b\nFormat: .kicad_sch\n")
    assert compact != task(name).prompt(ROW, form="verbatim", with_name=True)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("json", '```json\n{"symbols": [["R1", "Device:R", "10k"]]}\n```'),
        ("json", '{"symbols": [["R1", "Device:R", "10k"]], "labels": null, "sheets": []}'),
        ("yaml", "---\nsymbols:\n  - [R1, Device:R, 10k]\nlabels:\n"),
        ("yaml", 'symbols: [["R1", "R", "10k"]]'),
        ("yaml", "```yaml\nsymbols:\n- - R1\n  - Device:R\n  - 10k\n```"),
        ("schematic", '(kicad_sch (symbol "R1" "Device:R" "10k"))'),
        ("schematic", "(kicad_sch (version 1) (symbol R1 Device:R 10k))"),
    ],
)
def test_answers_may_be_dressed_differently(name: str, answer: str) -> None:
    assert task(name).parse(answer).items == Counter([("symbol", "R1", "R", "10k")])


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("json", '{"symbols": [["C1", "C", 4.70], ["C2", "C", 1e3]], "labels": [7, true]}'),
        ("yaml", "symbols: [[C1, C, 4.70], [C2, C, 1e3]]\nlabels: [7]\n"),
    ],
)
def test_numbers_stay_as_they_are_written(name: str, answer: str) -> None:
    items = task(name).parse(answer).items
    assert items[("symbol", "C1", "C", "4.70")] == 1
    assert items[("symbol", "C2", "C", "1e3")] == 1
    assert items[("label", "local", "7")] == 1


def test_kiutils_layout_with_properties_and_capital_coordinates() -> None:
    document = {
        "schematicSymbols": [
            {**placed("", "R", "R1", "1k", 0, 0), "libraryNickname": None, "position": {"X": 50, "Y": 0}},
            {**placed("", "R", "R2", "1k", 0, 0), "libraryNickname": None, "position": {"X": 20, "Y": 0}},
        ],
        "sheets": [{"sheetName": {"key": "Sheet name", "value": "MCU"}, "position": {"X": 0, "Y": 0}}],
    }
    target = task("json").target({"json": json.dumps(document)}, form="compact")
    assert target == '{"symbols":[["R2","R","1k"],["R1","R","1k"]],"sheets":["MCU"]}'


@pytest.mark.parametrize(
    ("name", "answer", "section"),
    [
        ("json", '{"symbols": [["R1"], ["R1", "Device:R", "1k"]]}', "symbols"),
        ("json", '{"symbols": [["R1", ["Device:R"], "1k"], ["R1", "Device:R", "1k"]]}', "symbols"),
        ("json", '{"symbols": [["R1", "Device:R", "1k"]], "labels": "SDA"}', "labels"),
        ("yaml", "symbols: [[R1, R, 1k]]\nsheets: ['']", "sheets"),
        ("schematic", '(kicad_sch (symbol "R1" "R" "1k") (sheet))', "sheet"),
        ("schematic", '(kicad_sch (symbol "R1" "R" "1k") (symbol "x"))', "symbol"),
    ],
)
def test_an_unreadable_entry_costs_precision_only(name: str, answer: str, section: str) -> None:
    parsed = task(name).parse(answer)
    assert parsed.valid
    assert parsed.items == Counter([("symbol", "R1", "R", "1k"), ("unread", section)])


def test_rows_without_a_readable_text_have_no_target() -> None:
    rows = [
        {"json": None},
        {"json": "  "},
        {"json": "{broken"},
        {"json": '{"labels": []}'},
        {"json": '{"labels": [[]]}'},
        {},
    ]
    assert [task("json").target(row, form="compact") for row in rows] == [None] * len(rows)


def test_loose_reading_folds_texts_but_not_kinds() -> None:
    strict = Counter({("symbol", "U_1", "LM_358", "LM 358"): 1, ("symbol", "u1", "lm358", "LM358"): 2})
    strict[("label", "global", "I2C_SDA")] = 1
    assert task("json").normalize(strict, loose=False) == strict
    assert task("json").normalize(strict, loose=True) == Counter(
        {("symbol", "u1", "lm358", "lm358"): 3, ("label", "global", "i2csda"): 1}
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [(("symbol", "R1", "R", "1k"), "R"), (("label", "local", "SDA"), "SDA"), (("sheet", "MCU"), "MCU")],
)
def test_names_within_items(item: tuple[str, ...], expected: str) -> None:
    assert task("yaml").name_of(item) == expected


ALIAS_BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("json", "[" * 10_000 + "]" * 10_000, "too_deep"),
        ("json", '{"labels":' * 10_000, "too_deep"),
        ("json", '{"symbols": [["R1", "Device:R"', "syntax"),
        ("json", "Sure! Here it is.", "syntax"),
        ("json", '{"labels": [%s]}' % ("9" * 5_000 + "."), "syntax"),
        ("json", '["R", "C"]', "shape"),
        ("json", '{"components": ["R"]}', "shape"),
        ("json", '{"labels": ["a\\u0000"]}', "nul"),
        ("json", '{"labels": ["\\ud83d"]}', "surrogate"),
        ("yaml", ALIAS_BOMB, "alias"),
        ("yaml", "labels: &all [a]\n", "alias"),
        ("yaml", "[" * 10_000, "too_deep"),
        ("yaml", "- " * 10_000, "too_deep"),
        ("yaml", "labels: [a", "syntax"),
        ("yaml", "labels: [a]\n---\nlabels: [b]\n", "syntax"),
        ("yaml", "# nothing but a comment", "syntax"),
        ("yaml", "R, C, GND", "shape"),
        ("yaml", "{[a, b]: c}", "shape"),
        ("yaml", "- x\n" * 499_999, "too_long"),
        ("yaml", 'labels: ["a\\0"]', "nul"),
        ("schematic", "(" * 10_000, "too_deep"),
        ("schematic", '(kicad_sch (symbol "R1"', "syntax"),
        ("schematic", "", "empty"),
        ("schematic", '(kicad_pcb (label "a"))', "shape"),
        ("schematic", "()", "shape"),
        ("schematic", '(kicad_sch (label "a\\0"))', "nul"),
    ],
)
def test_unusable_answers_have_a_reason(name: str, answer: str, reason: str) -> None:
    parsed = task(name).parse(answer)
    assert (parsed.valid, parsed.reason, parsed.items) == (False, reason, Counter())


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [("x" * 10_000_000, "too_long"), ("a\0b", "nul"), ("\udc00", "surrogate"), ("```\n\n```", None)],
)
def test_text_is_refused_before_it_is_parsed(name: str, answer: str, reason: str | None) -> None:
    parsed = task(name).parse(answer)
    assert not parsed.valid
    assert reason is None or parsed.reason == reason


@pytest.mark.parametrize("name", STRUCTURED)
@pytest.mark.parametrize(
    "piece", ['"', '\\"', '"\\', '"a",', "[],", "{},", "a,", "()", "```\n", " ", "a: 1, ", "? ", "'"]
)
def test_hostile_texts_are_read_in_linear_time(name: str, piece: str) -> None:
    # A quadratic reader would need hours for these 400,000 characters.
    task(name).parse("[" + piece * (400_000 // len(piece)))


def test_yaml_constructs_no_objects() -> None:
    assert load_yaml("!!python/object/apply:os.getcwd []") == []
    assert load_yaml("a: !!int 0x10\nb: 2024-01-01\nc: yes\n<<: {d: null}") == {
        "a": "0x10",
        "b": "2024-01-01",
        "c": "yes",
        "<<": {"d": "null"},
    }


def test_brackets_within_strings_do_not_count_as_depth() -> None:
    assert load_json(json.dumps(["[" * 200, '\\"{' * 200])) == ["[" * 200, '\\"{' * 200]


@pytest.mark.parametrize("name", STRUCTURED)
def test_an_answer_that_was_cut_off_gives_the_symbols_before_the_cut(name: str) -> None:
    """Wherever it ends, and never one that is not whole, although the answer is invalid for the scores."""
    structured = TASKS[name]
    text = structured.target(ROW, form="compact")
    assert text is not None
    whole = structured.symbols(text)
    assert [(one.reference, one.name, one.value) for one in whole] == [
        ("", "GND", "GND"),
        ("R1", "R", "4.70"),
        ("", "GND", "GND"),
    ]
    read = [structured.symbols(text[:end]) for end in range(len(text))]
    assert all(symbols == whole[: len(symbols)] for symbols in read)
    assert [len(symbols) for symbols in read] == sorted(len(symbols) for symbols in read)
    assert {len(symbols) for symbols in read} == {0, 1, 2, 3}
    cut = text[: text.index("R1") + 1]
    assert not structured.parse(cut).valid and len(structured.symbols(cut)) == 1
    assert structured.symbols(f"```\n{cut}") == structured.symbols(cut)


@pytest.mark.parametrize("text", ["", "]" * 9, "[" * 90_000, '{"symbols":[[[', '{"symbols":[["R1"', "x", '"'])
def test_what_cannot_be_closed_has_no_symbols(text: str) -> None:
    assert TASKS["json"].symbols(text) == ()
