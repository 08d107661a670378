"""The table's command refuses metrics files that are not whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from schematic_reader.cli import UserError
from stages import compare
from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["baseline", "evaluate"])
def test_metrics_without_their_parts_are_one_line(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "metrics").mkdir()
    for file in ("baseline.json", "evaluate.json"):
        (tmp_path / "metrics" / file).write_bytes((ROOT / "metrics" / file).read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["stages.compare"])
    compare.main()
    assert "95 % interval" in capsys.readouterr().out
    (tmp_path / "metrics" / f"{name}.json").write_text("{}")
    with pytest.raises(UserError, match=rf"metrics/{name}\.json lacks a part .*`dvc repro {name}`"):
        compare.main()
