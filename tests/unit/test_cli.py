"""What a stage's ``main`` may raise, and what of it is one line instead of a traceback."""

from __future__ import annotations

import ast
import errno
import importlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import SafetensorError

from schematic_reader.cli import UserError, run, say, say_error
from tests.support.paths import ROOT


def test_an_error_of_the_user_is_one_line_and_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("data/raw has no manifest.json:\n  run `dvc repro fetch`")

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    assert capsys.readouterr().err == "error: data/raw has no manifest.json: run `dvc repro fetch`\n"


def test_results_and_errors_steer_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2J\n\tb\u202e", end="")
    say_error("c\x9b\nd.png: damaged")
    assert capsys.readouterr() == ("a\ufffd[2J\n\tb\ufffd", "error: c\ufffd d.png: damaged\n")


@pytest.mark.parametrize("path", sorted((ROOT / "stages").glob("*.py")), ids=lambda path: path.name)
def test_stages_print_by_say_alone(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {"print", "sys.stdout.write", "sys.stdout.buffer.write"} & set(map(ast.unparse, calls))


@pytest.mark.parametrize("module", ["stages.config", "stages.vlm.load", "schematic_reader.model.reader"])
def test_an_import_from_before_the_move_is_one_line(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(lambda: importlib.import_module(module) and None)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    missing = "stages.vlm" if module == "stages.vlm.load" else module
    assert line.startswith(
        f"error: there is no module {missing}: since version 0.2 the library is schematic_reader/"
    )
    assert "git restore" in line


def test_a_missing_library_keeps_its_traceback() -> None:
    with pytest.raises(ModuleNotFoundError):
        run(lambda: importlib.import_module("no_such_library") and None)


def test_an_interruption_says_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 130
    assert capsys.readouterr().err == (
        "interrupted: finished work is kept; no partial file is left; run the same command again\n"
    )


GUARDED = """
import logging, os, sys, threading, warnings
from schematic_reader.cli import UserError, malformed_token, run
logging.basicConfig()
def main():
    if line := malformed_token():
        raise UserError(line)
    token = os.environ["HF_TOKEN"]
    logger = logging.getLogger("deep.client")
    logger.warning("Illegal header value %r", f"Bearer {token}")
    try:
        raise ValueError(f"the header is {token}")
    except ValueError:
        logger.exception("it failed")
        logger.warning("so did %s", "this", exc_info=True, stack_info=True)
    logger.warning("%d does not fit", f"Bearer {token}")
    warnings.warn(f"header {token}", stacklevel=1)
    def fail():
        raise ValueError(f"in a thread: {token}")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    class Broken:
        def __del__(self):
            fail()
    Broken()
    print("length", len(token))
    raise {error}(f"the header is Bearer {token}")
run(main)
"""


@pytest.mark.parametrize(
    "token", ["hf_TheSecret", "hf_TheSecret\n", " hf_TheSecret\r\n", "hf_Thé Secret", "hf_The\nSecret"]
)
@pytest.mark.parametrize("error", ["UserError", "RuntimeError"])
def test_no_output_shows_the_token(token: str, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GUARDED.replace("{error}", error)],
        env={**os.environ, "HF_TOKEN": token, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Secret" not in done.stdout + done.stderr
    if token.strip() == "hf_TheSecret":
        assert "it failed\nTraceback (most recent call last):" in done.stderr
        assert done.stdout == "length 12\n"
        assert done.stderr.count("Bearer [HF_TOKEN]") == 2
        for text in (
            "the header is [HF_TOKEN]",
            "header [HF_TOKEN]",
            "in a thread: [HF_TOKEN]",
            "%d does not fit",
        ):
            assert text in done.stderr
    else:
        assert done.stderr.startswith("error: HF_TOKEN holds a blank, a line break or a letter outside ASCII")
        assert done.stderr.count("\n") == 1


def test_no_line_record_or_traceback_has_an_escape_of_the_terminal() -> None:
    code = (
        "import logging, sys\nfrom schematic_reader.cli import UserError, run\nlogging.basicConfig()\n"
        "name = 'a\\x1b]0;owned\\x07\\u202e\\udcff.png'\n"
        "def main():\n    logging.warning('%s:\\tis damaged', name)\n    raise {}(name)\nrun(main)"
    )
    for error in ("UserError", "RuntimeError"):
        done = subprocess.run(
            [sys.executable, "-c", code.replace("{}", error)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=False,
        )
        said = done.stderr.decode()
        assert said.count("a\ufffd]0;owned\ufffd\ufffd\ufffd.png") == 2
        assert "damaged" in said and "\tis" in said
        assert not set("\x1b\x07\u202e") & set(said)


def test_a_malformed_token_stops_nobody_who_needs_no_hub() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from schematic_reader.cli import run\nrun(lambda: print('done'))"],
        env={**os.environ, "HF_TOKEN": "hf_The\nSecret", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def line_of(error: BaseException, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``run`` prints of an error that it turns into a line."""

    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "data/raw/shard"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "data/raw/shard"),
        OSError(errno.ENOSPC, "Error writing bytes to file"),  # pyarrow's
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/0: file write failed"),
    ],
)
def test_a_full_disk_is_one_line(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    where = "data/raw/shard" if getattr(error, "filename", None) else str(Path.cwd())
    assert re.fullmatch(
        rf"error: no space is left at {re.escape(where)} \(\d+ MB free here\): free some, then run the same "
        "command again",
        line_of(error, capsys),
    )


def test_an_error_that_a_full_disk_caused_is_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = RuntimeError("unexpected pos 64 vs 0")
    error.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert "no space is left at" in line_of(error, capsys)


def write_text() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x" * 10**6)


def write_parquet() -> None:
    with pq.ParquetWriter("/dev/full", pa.schema([("x", pa.int64())])) as writer:
        writer.write_table(pa.table({"x": range(10**6)}))


@pytest.mark.parametrize(
    "write",
    [
        write_text,
        write_parquet,
        lambda: torch.save({"weights": torch.zeros(10**6)}, "/dev/full"),
    ],
)
def test_writing_to_a_full_device_is_one_line(
    write: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(write)
    assert caught.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no space is left at ")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EIO, errno.EISDIR, errno.EMFILE])
def test_what_the_system_refuses_is_one_line(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    line = line_of(OSError(code, os.strerror(code), "data/raw/shard"), capsys)
    assert line.startswith(f"error: data/raw/shard: {os.strerror(code)}: check the path")


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EBADF, "Bad file descriptor"), FileNotFoundError(errno.ENOENT, "No such file", "x")],
)
def test_another_error_of_the_system_keeps_its_traceback(error: OSError) -> None:
    def main() -> None:
        raise error

    with pytest.raises(type(error)):
        run(main)


def started(code: str, encoding: str = "utf-8", stdout: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    prelude = "import os, sys, time, signal\nfrom schematic_reader.cli import run\n"
    # A shell starts what it runs in the background deaf to Ctrl-C, these tests too.
    prelude += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
        stdout=stdout,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("lines", [1, 10**5])
def test_a_closed_pipe_is_one_line(lines: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = started(f"run(lambda: [print('x') for _ in range({lines})] and None)", stdout=writing)
    os.close(writing)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 141
    assert said.startswith(b"stopped, since nobody reads its output any more: ") and said.count(b"\n") == 1


def test_a_closed_standard_output_is_one_line() -> None:
    process = started("os.close(1)\nsys.stdout = None\nrun(lambda: print('x'))")  # as Python after `>&-`
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == b"error: standard output is closed: send it to a file or a program\n"


@pytest.mark.parametrize("end", ["", "\n  sys.exit(3)"])
@pytest.mark.parametrize("length", [1, 10**6])
def test_a_full_disk_under_standard_output_is_told_as_that(length: int, end: str) -> None:
    code = f"from schematic_reader.cli import say\ndef main():\n  say('x' * {length}){end}\nrun(main)"
    with Path("/dev/full").open("w") as full:
        process = started(code, stdout=full.fileno())
    _, said = process.communicate(timeout=60)
    assert said.decode().startswith(
        "error: standard output cannot be written (No space left on device): free some space there"
    )
    assert (process.returncode, said.count(b"\n")) == (1, 1)


def test_another_broken_pipe_keeps_its_traceback() -> None:
    process = started("def main():\n  r, w = os.pipe(); os.close(r); os.write(w, b'x')\nrun(main)")
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and b"Traceback" in said


def test_a_terminal_without_a_character_shows_its_escape() -> None:
    process = started("run(lambda: print('10 \u03a9, 5 \u00b5'))", encoding="latin-1")
    assert process.communicate(timeout=60) == (b"10 \\u03a9, 5 \xb5\n", b"")


@pytest.mark.parametrize(
    ("sent", "word", "status"), [(signal.SIGTERM, "terminated", 143), (signal.SIGINT, "interrupted", 130)]
)
def test_sigterm_says_what_an_interruption_says(sent: signal.Signals, word: str, status: int) -> None:
    process = started("run(lambda: print('ready', flush=True) or time.sleep(60))")
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.decode()) == (
        status,
        f"{word}: finished work is kept; no partial file is left; run the same command again\n",
    )


def test_a_forked_worker_is_ended_by_sigterm_without_a_word() -> None:
    process = started(
        "def main():\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        time.sleep(60)\n"
        "    time.sleep(0.2)\n"
        "    os.kill(child, signal.SIGTERM)\n"
        "    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "run(main)"
    )
    assert process.communicate(timeout=60) == (b"-15\n", b"")


STAGE = """
import sys
from schematic_reader.cli import run
def main():
    print("runs", flush=True)
    sys.stdin.readline()
run(main, exclusive=True)
"""


def test_a_stage_refuses_to_run_beside_itself_until_the_other_has_died(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    for name in ("one", "two"):
        (tmp_path / f"{name}.py").write_text(STAGE)

    def start(name: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", name],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **more},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    first = start("one")
    assert first.stdout is not None and first.stdout.readline() == "runs\n"
    refused = start("one")
    _, said = refused.communicate("\n", timeout=60)
    assert refused.returncode == 1
    assert said.startswith(f"error: one is already running here as process {first.pid}, perhaps left over")
    for beside in (start("two"), start("one", LOCAL_RANK="1"), start("one", SCHEMATIC_READER_LOCKED="one")):
        assert beside.communicate("\n", timeout=60)[0] == "runs\n" and beside.returncode == 0
    first.kill()
    first.communicate()
    again = start("one")
    assert again.communicate("\n", timeout=60)[0] == "runs\n" and again.returncode == 0
