"""The prior: one answer for every sheet, independent of the picture.

It predicts the k items that most training sheets have, with the k of the best F1 on the validation sheets. A
model that reads its pictures must beat it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from schematic_reader.cli import UserError
from schematic_reader.scoring.precision_recall import count, share, total
from schematic_reader.tasks.contract import Item


def ranked(train: Sequence[Counter[Item]]) -> list[Item]:
    """The items of the training sheets, those of most sheets first, then in the order of their texts."""
    sheets = Counter(item for items in train for item in items)
    return sorted(sheets, key=lambda item: (-sheets[item], item if isinstance(item, tuple) else (item,)))


def best_k(ranking: Sequence[Item], validation: Sequence[Counter[Item]]) -> int:
    """The number of items, from 1, with the best micro F1 on the validation sheets; the smallest of equals.

    Raises UserError where there is nothing to choose from.
    """
    if not ranking or not validation:
        raise UserError(
            "the train or validation split holds no targets to make the prior from: "
            "raise messages.max_target_chars or clean.validation and run `dvc repro build-messages`"
        )
    sheets = Counter(item for items in validation for item in items)
    actual = sum(items.total() for items in validation)
    found, best, best_f1 = 0, 1, -1.0
    for k, item in enumerate(ranking, start=1):
        found += sheets[item]
        f1 = share(2 * found, k * len(validation) + actual)
        if f1 > best_f1:
            best, best_f1 = k, f1
    return best


def prior(
    train: Sequence[Counter[Item]],
    validation: Sequence[Counter[Item]],
    test: Sequence[Counter[Item]],
) -> dict[str, float]:
    """``k`` and the micro precision, recall and F1 of the prior on the test sheets."""
    ranking = ranked(train)
    k = best_k(ranking, validation)
    answer = Counter(ranking[:k])
    counts = total(count(answer, items) for items in test)
    return {
        "k": k,
        "precision": round(counts.precision, 6),
        "recall": round(counts.recall, 6),
        "f1": round(counts.f1, 6),
    }
