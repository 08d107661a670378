"""A fixed test set: its rows are the test split, and nothing that is connected with one is trained on."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from schematic_reader.cleaning.clean_to_parquet import clean_to_parquet
from schematic_reader.cleaning.row_facts import REASONS
from schematic_reader.cleaning.split_groups import RowKeys, assign_splits, choose_split
from schematic_reader.cli import UserError
from schematic_reader.io.tables import SPLITS, clean_parts, iterate_rows
from tests.support.cleaning import ROOMY, clean, re_encoded
from tests.support.raw_rows import raw_row, write_raw
from tests.unit.cleaning.test_clean import hashes
from tests.unit.cleaning.test_clean_ties import drawing, sheet_text

Rows = Sequence[dict[str, Any]]

SOURCE = [raw_row(n, image=drawing(n), schematic=sheet_text(n, 10), json=None) for n in range(30)]
FIXED = [
    raw_row(100 + n, image=drawing(100 + n), schematic=sheet_text(100 + n, 10), json=None) for n in range(9)
]
NONE = dict.fromkeys((*REASONS, "in_test_set"), 0)


def both(
    folder: Path, source: Rows = SOURCE, fixed: Rows = FIXED, synthetic: Rows = ()
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Metrics, and the names in each split in order."""
    metrics, rows = clean(write_raw(folder / "raw", [source], 7, synthetic, fixed), ROOMY)
    names: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for row in rows:
        names[row["split"]].append(row["name"])
    assert {split: len(found) for split, found in names.items()} == metrics["splits"]
    return metrics, names


def names_of(rows: Rows) -> list[str]:
    return [row["name"] for row in rows]


def test_its_rows_are_the_test_split_and_the_rest_is_trained_on_but_for_validation(tmp_path: Path) -> None:
    hashed = {split: [] for split in ("train", "validation", "test")}  # type: dict[str, list[str]]
    for name in names_of(SOURCE):
        hashed[choose_split(name, validation=ROOMY.validation, test=ROOMY.test)].append(name)
    fixed = {choose_split(name, validation=ROOMY.validation, test=ROOMY.test) for name in names_of(FIXED)}
    assert all(hashed.values()) and len(fixed) == 3  # where their names alone would put them
    metrics, names = both(tmp_path)
    assert names["test"] == names_of(FIXED)
    assert names["validation"] == hashed["validation"]
    assert sorted(names["train"]) == sorted(hashed["train"] + hashed["test"])
    assert metrics["dropped"] == NONE
    assert (metrics["rows_read"], metrics["rows_kept"]) == (39, 39)
    assert metrics["groups"]["test"] == 9


def test_without_one_nothing_is_said_of_it(tmp_path: Path) -> None:
    metrics, names = both(tmp_path, fixed=())
    assert tuple(metrics["dropped"]) == REASONS
    assert names["test"]


@pytest.mark.parametrize("of", ["repository", "structure", "picture", "text", "pixels"])
def test_rows_of_the_source_that_are_connected_with_it_are_dropped(tmp_path: Path, of: str) -> None:
    changed: list[dict[str, Any]] = {
        "repository": [{"name": f" {row['name'].upper()}"} for row in FIXED],
        "structure": [{"schematic": sheet_text(100 + n, 10, "moved"), "json": None} for n in range(9)],
        "picture": [{"image": drawing(100 + n, moved=1)} for n in range(9)],
        "text": [{"schematic": f"{row['schematic']}\n", "json": None} for row in FIXED],
        "pixels": [{"image": re_encoded(row["image"]["bytes"])} for row in FIXED],
    }[of]
    twins = [raw_row(200 + n, **change) for n, change in enumerate(changed)]
    siblings = [raw_row(300 + n, name=row["name"]) for n, row in enumerate(twins)]
    others, _ = both(tmp_path / "others")
    metrics, names = both(tmp_path / "twins", [*siblings[:4], *SOURCE, *twins, *siblings[4:]])
    exact = of in ("text", "pixels")  # the test row stays, though it is read behind the source
    assert metrics["dropped"] == {
        **NONE,
        "duplicate": 9 * exact,
        "in_test_set": 18 - 9 * exact,
    }
    assert names["test"] == names_of(FIXED)
    assert metrics["splits"] == others["splits"]


def test_near_duplicates_that_are_named_are_kept_rows(tmp_path: Path) -> None:
    """Those of the source that are dropped take no place of others, of which six are named."""
    twins = [raw_row(200 + n, image=drawing(100 + n, moved=1)) for n in range(9)]
    kept = raw_row(300, image=drawing(3, moved=1))
    raw = write_raw(tmp_path / "raw", [[*twins, *SOURCE, kept]], 7, fixed_test=FIXED)
    told = tmp_path / "cleaning.json"
    clean_to_parquet(raw, tmp_path / "clean", ROOMY, workers=1, examples=told)
    parts = [part for split in SPLITS for part in clean_parts(tmp_path / "clean", split)]
    names = {row["id"]: row["name"] for row in iterate_rows(parts)}
    (pair,) = json.loads(told.read_text())["near_duplicates"]
    assert [names[id] for id in pair["ids"]] == ["owner/board-3", "owner/board-300"]


def test_a_group_goes_whole_through_rows_that_are_connected_with_no_test_row(tmp_path: Path) -> None:
    """From a test row to a near twin, to a sibling of that in its repository, to a twin of the sibling."""
    chain = [
        raw_row(200, image=drawing(100, moved=1)),
        raw_row(201, image=drawing(201), name="owner/board-200"),
        raw_row(202, image=drawing(201, moved=1), name="a/first"),  # whose name is the group's
        raw_row(203, name="a/first"),
    ]
    metrics, names = both(tmp_path, [*chain, *SOURCE])
    assert metrics["dropped"] == {**NONE, "in_test_set": 4}
    assert names["test"] == names_of(FIXED)


def test_the_test_split_has_the_same_bytes_whatever_the_source_holds(tmp_path: Path) -> None:
    twin = raw_row(200, schematic=FIXED[2]["schematic"])
    bridge = raw_row(201, schematic=FIXED[0]["schematic"], image=drawing(101, moved=1))
    found = []
    for number, source in enumerate((SOURCE, [twin, bridge, *SOURCE[:25]], [*SOURCE[5:], *FIXED])):
        metrics, names = both(tmp_path / str(number), source)
        assert names["test"] == names_of(FIXED)
        files = hashes(tmp_path / str(number) / "clean")
        found.append({name: value for name, value in files.items() if name.startswith("test")})
    assert found[0] and found[0] == found[1] == found[2]
    assert metrics["dropped"] == {**NONE, "duplicate": 9}


def test_its_own_unusable_rows_and_duplicates_have_their_reasons_and_hold_nothing_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [raw_row(400, image=None), {**FIXED[3], "name": "owner/copy"}]
    metrics, names = both(tmp_path, [raw_row(410, name="owner/board-400"), *SOURCE], [*FIXED, *broken])
    assert metrics["dropped"] == {**NONE, "image_missing": 1, "duplicate": 1}
    assert names["test"] == names_of(FIXED)
    assert "owner/board-400" in names["train"] + names["validation"]
    assert caplog.messages == ["2 of the 11 rows of the test set are dropped: image_missing 1, duplicate 1"]


def test_the_repository_of_a_duplicate_in_it_is_held_back_too(tmp_path: Path) -> None:
    """Nearly blank pictures link no repositories, so only its name says that the copy is of the test set."""
    page, file = Image.new("L", (400, 300), 255), io.BytesIO()
    page.putpixel((3, 3), 0)
    page.save(file, "PNG")
    blank = [raw_row(400 + n, image=file.getvalue()) for n in range(2)]
    metrics, names = both(tmp_path, [raw_row(410, name=blank[1]["name"]), *SOURCE], [*FIXED, *blank])
    assert metrics["dropped"] == {**NONE, "duplicate": 1, "in_test_set": 1}
    assert names["test"] == names_of([*FIXED, blank[0]])


def test_synthetic_rows_are_trained_on_unless_they_are_near_it(tmp_path: Path) -> None:
    drawn = [raw_row(500 + n) for n in range(8)]
    twins = [raw_row(600, image=drawing(104, moved=1)), raw_row(601, name=FIXED[0]["name"])]
    metrics, names = both(tmp_path, synthetic=[*twins, *drawn])
    assert metrics["dropped"] == {**NONE, "synthetic_twin": 2}
    assert names["train"][-8:] == names_of(drawn)
    assert names["test"] == names_of(FIXED)


def test_a_set_without_a_usable_row_is_one_line(tmp_path: Path) -> None:
    broken = [raw_row(1, image=None), raw_row(2, components_used=None)]
    line = (
        r"none of the 2 rows of the test set is usable \(no_components 1, image_missing 1\): check "
        r"profiles\.\*\.data\.test_path$"
    )
    with pytest.raises(UserError, match=line):
        both(tmp_path, fixed=broken)


def test_a_source_that_is_all_connected_with_it_is_one_line(tmp_path: Path) -> None:
    siblings = [raw_row(200 + n, name=row["name"]) for n, row in enumerate(FIXED)]
    for source in (FIXED, siblings):
        with pytest.raises(
            UserError, match=r"every row of the source is connected with the test set, .*test_path"
        ):
            both(tmp_path, source, synthetic=[raw_row(700)])
    with pytest.raises(UserError, match=r"none of 1 rows is usable \(image_missing 1\): check profiles"):
        both(tmp_path, [raw_row(1, image=None)])


def test_too_few_repositories_beside_it_are_counted_without_its_groups() -> None:
    rows: list[RowKeys] = [(f"owner/{n}", []) for n in range(3)]
    with pytest.raises(
        UserError, match=r"the (train|validation) split is empty: 1 groups of repositories at"
    ):
        assign_splits(rows, validation=0.3, test=0.3, fixed_test=["owner/0", "owner/2"])
