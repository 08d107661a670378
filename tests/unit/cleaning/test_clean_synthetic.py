"""Synthetic rows are for training alone: nothing else of the result depends on them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.cleaning import perceptual_hash
from schematic_reader.cleaning.perceptual_hash import cluster_near_duplicates, near_any
from schematic_reader.cleaning.row_facts import REASONS
from schematic_reader.cleaning.split_groups import RowKeys, assign_splits, choose_split
from schematic_reader.cli import UserError
from tests.support.cleaning import ROOMY, clean, re_encoded
from tests.support.raw_rows import raw_row, write_raw
from tests.unit.cleaning.test_clean import hashes
from tests.unit.cleaning.test_clean_ties import drawing, sheet_text

REAL = [raw_row(n, image=drawing(n), schematic=sheet_text(n, 10), json=None) for n in range(30)]
DRAWN = [raw_row(100 + n) for n in range(25)]


def both(folder: Path, synthetic: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The metrics without and with synthetic rows; the held-out files are checked to be the same bytes."""
    without, _ = clean(write_raw(folder / "without" / "raw", [REAL[:12], REAL[12:]]), ROOMY)
    raw = write_raw(folder / "with" / "raw", [REAL[:12], REAL[12:]], synthetic=synthetic)
    metrics, _ = clean(raw, ROOMY)
    before, after = (hashes(folder / name / "clean") for name in ("without", "with"))
    held_out = {name for name in before if not name.startswith("train")}
    assert len(held_out) == 2
    assert {name: after[name] for name in after if not name.startswith("train")} == {
        name: before[name] for name in held_out
    }
    return without, metrics


def test_they_go_into_training_behind_the_source_and_change_nothing_else(tmp_path: Path) -> None:
    splits = {choose_split(row["name"], validation=ROOMY.validation, test=ROOMY.test) for row in DRAWN}
    assert splits == {"train", "validation", "test"}  # where their names alone would put them
    without, metrics = both(tmp_path, DRAWN)
    assert (without["synthetic"], metrics["synthetic"]) == (0, 25)
    assert metrics["splits"] == {**without["splits"], "train": without["splits"]["train"] + 25}
    assert metrics["tied"] == without["tied"]
    assert metrics["groups"]["train"] == without["groups"]["train"] + 25
    _, rows = clean(tmp_path / "with" / "raw", ROOMY)
    names = [row["name"] for row in rows if row["split"] == "train"]
    assert names[-25:] == [row["name"] for row in DRAWN]


@pytest.mark.parametrize("of", ["repository", "text", "pixels", "structure", "picture"])
def test_a_synthetic_near_duplicate_of_a_source_row_is_dropped(tmp_path: Path, of: str) -> None:
    changed: list[dict[str, Any]] = {
        "repository": [{"name": f" {row['name'].upper()}"} for row in REAL],
        "text": [{"schematic": f"{row['schematic']}\n", "json": None} for row in REAL],
        "pixels": [{"image": re_encoded(row["image"]["bytes"])} for row in REAL],
        "structure": [{"schematic": sheet_text(n, 10, "moved"), "json": None} for n in range(30)],
        "picture": [{"image": drawing(n, moved=1)} for n in range(30)],
    }[of]
    twins = [raw_row(200 + n, **change) for n, change in enumerate(changed)]
    without, metrics = both(tmp_path, [*DRAWN[:5], *twins, *DRAWN[5:]])
    assert metrics["dropped"] == {reason: 30 * (reason == "synthetic_twin") for reason in REASONS}
    assert (metrics["synthetic"], metrics["tied"]) == (25, without["tied"])


def test_a_row_that_would_join_two_of_the_source_moves_neither(tmp_path: Path) -> None:
    bridges = [
        raw_row(200 + n, schematic=REAL[n]["schematic"], image=REAL[n + 1]["image"]) for n in range(29)
    ]
    _, metrics = both(tmp_path, bridges)
    assert (metrics["dropped"]["synthetic_twin"], metrics["synthetic"]) == (29, 0)


def test_copies_among_synthetic_rows_are_duplicates_and_near_ones_are_kept(tmp_path: Path) -> None:
    copy = {**DRAWN[3], "name": "another/name"}
    near = [raw_row(300, image=drawing(99)), raw_row(301, image=drawing(99, moved=1))]
    without, metrics = both(tmp_path, [*DRAWN, copy, *near])
    assert (metrics["dropped"]["duplicate"], metrics["dropped"]["synthetic_twin"]) == (1, 0)
    assert (metrics["synthetic"], metrics["tied"]) == (27, without["tied"])


def test_unusable_ones_have_their_reasons(tmp_path: Path) -> None:
    _, metrics = both(tmp_path, [raw_row(200, image=None), raw_row(201, components_used=None), *DRAWN])
    assert (metrics["dropped"]["image_missing"], metrics["dropped"]["no_components"]) == (1, 1)
    assert metrics["synthetic"] == 25


def near_hashes(seed: int, count: int) -> list[int]:
    """A few hashes and others that differ from one of them in few bits or in many."""
    rng = random.Random(seed)
    origins = [sum(1 << rng.randrange(1024) for _ in range(60)) for _ in range(3)]
    hashes = []
    for _ in range(count):
        bits = rng.choice(origins)
        for _ in range(rng.choice([0, 1, 3, 6, 40])):
            bits ^= 1 << rng.randrange(1024)
        hashes.append(bits)
    return hashes


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 25), st.integers(0, 25), st.integers(1, 4))
def test_what_is_like_nothing_known_is_tied_to_nothing_known(
    seed: int, known: int, others: int, compared: int
) -> None:
    """However few of a band are compared: else a near twin that is overlooked once would be found later."""
    hashes = near_hashes(seed, known + others)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(perceptual_hash, "_MAX_CANDIDATES", compared)
        flags = near_any(hashes[:known], hashes[known:])
        left = [bits for bits, like in zip(hashes[known:], flags, strict=True) if not like]
        together = cluster_near_duplicates([*hashes[:known], *left])
        assert together[:known] == cluster_near_duplicates(hashes[:known])
        assert all(first >= known for first in together[known:])


def test_like_any_is_what_similar_finds_for_each_alone() -> None:
    hashes = near_hashes(5, 60)
    flags = near_any(hashes[:30], hashes[30:])
    assert flags == [cluster_near_duplicates([*hashes[:30], bits])[30] != 30 for bits in hashes[30:]]
    assert True in flags and False in flags


def test_the_leak_check_sees_what_training_rows_share_with_held_out_ones() -> None:
    rows: list[RowKeys] = [(f"owner/board-{n}", [("text", bytes([n]))]) for n in range(40)]
    places = assign_splits(rows, validation=0.3, test=0.3, training=[("drawn/one", [("text", b"new")])])
    held_out = next(name for name, place in places.items() if place.split == "test")
    number = int(held_out.removeprefix("owner/board-"))
    assert places["drawn/one"].split == "train"
    for shared in ((held_out, []), ("drawn/one", [("text", bytes([number]))])):
        with pytest.raises(RuntimeError, match="both test and train"):
            assign_splits(rows, validation=0.3, test=0.3, training=[shared])


def test_synthetic_rows_alone_are_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none of 0 rows is usable \(no rows\)"):
        clean(write_raw(tmp_path / "raw", [], synthetic=DRAWN))
