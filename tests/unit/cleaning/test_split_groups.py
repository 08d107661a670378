"""Splits by connected groups: nothing is shared between splits, and what is added later moves nothing."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schematic_reader.cleaning.split_groups import (
    RowKeys,
    assign_splits,
    check_leaks,
    choose_split,
    group_rows,
)
from schematic_reader.cli import UserError

SHARES = {"validation": 0.1, "test": 0.15}


def digest(word: str) -> bytes:
    return hashlib.sha256(word.encode()).digest()


def rows(seed: int, repositories: int) -> list[RowKeys]:
    """Three rows for each repository; some texts lie in two neighbouring repositories."""
    rng = random.Random(seed)
    links: list[RowKeys] = []
    for number in range(repositories):
        for row in range(3):
            text = rng.choice([f"{number} {row}", f"{number} {row}", f"shared by {number // 2}"])
            links.append((f"owner-{seed}/board-{number}", [digest(f"{seed} {text}")]))
    return links


def by_flooding(links: list[RowKeys]) -> dict[str, str]:
    """Groups by repeated scanning until nothing changes, for comparison."""
    label = {repository: repository for repository, _ in links}
    changed = True
    while changed:
        changed = False
        for repository, digests in links:
            for other, others in links:
                if set(digests) & set(others) and label[repository] != label[other]:
                    low = min(label[repository], label[other])
                    label[repository] = label[other] = low
                    changed = True
    return label


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.lists(st.sampled_from(list(range(9))), max_size=2)))
)
def test_groups_are_the_connected_components(drawn: list[tuple[str, list[int]]]) -> None:
    links: list[RowKeys] = [(name, [bytes([number]) for number in numbers]) for name, numbers in drawn]
    assert group_rows(links) == by_flooding(links)


def test_a_bridge_joins_two_groups_under_the_first_name() -> None:
    apart: list[RowKeys] = [("b/one", [digest("x")]), ("c/two", [digest("y")])]
    assert group_rows(apart) == {"b/one": "b/one", "c/two": "c/two"}
    bridge: RowKeys = ("d/three", [digest("x"), digest("y")])
    assert group_rows([*apart, bridge]) == dict.fromkeys(["b/one", "c/two", "d/three"], "b/one")


def test_rows_added_later_move_no_earlier_one() -> None:
    before = assign_splits(rows(1, 200), **SHARES)
    after = assign_splits([*rows(2, 200), *rows(1, 200), *rows(0, 50)], **SHARES)
    assert {name: after[name] for name in before} == before
    assert {place.split for place in before.values()} == {"train", "validation", "test"}


def test_the_order_of_the_rows_does_not_matter() -> None:
    links = rows(3, 100)
    shuffled = links.copy()
    random.Random(0).shuffle(shuffled)
    assert assign_splits(links, **SHARES) == assign_splits(shuffled, **SHARES)


def test_shares_are_kept_over_many_groups() -> None:
    counts = dict.fromkeys(("train", "validation", "test"), 0)
    for number in range(20_000):
        counts[choose_split(f"owner/board-{number}", **SHARES)] += 1
    # Four standard deviations of a binomial share over 20,000 groups are at most 0.0123.
    assert counts["test"] / 20_000 == pytest.approx(0.15, abs=0.0123)
    assert counts["validation"] / 20_000 == pytest.approx(0.10, abs=0.0123)


def test_a_larger_test_share_only_moves_groups_into_test() -> None:
    for number in range(500):
        small = choose_split(f"r{number}", validation=0.1, test=0.1)
        assert small != "test" or choose_split(f"r{number}", validation=0.1, test=0.2) == "test"


def test_a_split_is_the_hash_of_the_name() -> None:
    # `printf %s owner/board | sha256sum` begins with c63c3601; 0xc63c3601 / 2**32 is 0.77436.
    assert choose_split("owner/board", validation=0.01, test=0.7743) == "validation"
    assert choose_split("owner/board", validation=0.01, test=0.7744) == "test"
    assert choose_split("owner/board", validation=0.01, test=0.7643) == "train"


def test_a_repository_of_a_thousand_rows_is_one_group_and_leaves_the_others_empty() -> None:
    links: list[RowKeys] = [("owner/board", [digest(str(number))]) for number in range(1000)]
    with pytest.raises(
        UserError, match=r"split is empty: 1 groups.*clean\.validation 0\.1 .*clean\.test 0\.15"
    ):
        assign_splits(links, **SHARES)


@pytest.mark.parametrize("shared", ["owner/board", "text"])
def test_the_leak_check_finds_what_two_splits_share(shared: str) -> None:
    one: RowKeys = ("owner/board", [digest("text")])
    other: RowKeys = (one[0], [digest("other")]) if shared == one[0] else ("owner/other", one[1])
    check_leaks([("train", one), ("train", other)])
    with pytest.raises(RuntimeError, match="both train and test"):
        check_leaks([("train", one), ("test", other)])


def test_a_split_of_duplicates_alone_is_empty() -> None:
    rows: list[RowKeys] = [(f"owner/board-{number}", []) for number in range(60)]
    places = assign_splits(rows, **SHARES)
    others = {name for name, place in places.items() if place.split != "validation"}
    with pytest.raises(UserError, match="the validation split is empty"):
        assign_splits(rows, **SHARES, kept=others)
    assert assign_splits(rows, **SHARES, kept=set(places)) == places
