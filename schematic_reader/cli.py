"""Errors that a user can cause, printed as one line instead of a traceback."""

from __future__ import annotations

import argparse
import errno
import fcntl
import io
import logging
import os
import re
import select
import shutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NoReturn

_OWN_PACKAGES = ("schematic_reader", "stages")
_TOKEN = "HF_TOKEN"  # noqa: S105, the name of a variable
_HIDDEN = f"[{_TOKEN}]"
_malformed = ""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_format_warning = warnings.formatwarning
_LOCKED = "SCHEMATIC_READER_LOCKED"
"""The variable by which a process tells those that it starts that it holds its module's lock."""
_OUTSIDE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EIO,
        errno.EISDIR,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EMFILE,
        errno.ENFILE,
        errno.EFBIG,
        errno.ESTALE,
    }
)
"""Errors of the system that the outside causes."""
_FULL_DISK = re.compile(
    r"No space left on device|PytorchStreamWriter failed|inline_container.*unexpected pos"
)


class UserError(Exception):
    """Something outside the code is wrong; the message is one line that names the fix."""


class _TerminatedError(BaseException):
    """SIGTERM has come. No ``Exception``, so that nothing but ``run`` catches it."""


def run(main: Callable[[], None], *, exclusive: bool = False) -> None:
    """Run a stage's ``main``: what is wrong outside the code becomes one line on stderr and exit status 1.

    That is a ``UserError``, and what ``_line_for`` knows. Any other exception keeps its traceback, because it
    is a bug of ours. With each comes a recovery hint where ``dvc exp run`` has changed the workspace. SIGINT
    and SIGTERM say that nothing is lost. Characters that the terminal's encoding lacks are printed as
    escapes. The value of ``HF_TOKEN`` stands in no line, nor in a log record.

    Args:
        exclusive: refuse to run beside another process that runs the same module in this repository.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if "LOCAL_RANK" not in os.environ and threading.current_thread() is threading.main_thread():
        _turn_sigterm_into_an_exception()
    lock = None
    try:
        if sys.stdout is None:  # the next file to be opened would get its number
            raise UserError("standard output is closed: send it to a file or a program")
        _guard_output()
        _guard_token()
        if exclusive:
            lock = _lock(sys.modules["__main__"].__spec__)
        try:
            main()
        except SystemExit:  # with results in the buffer
            _write_results()
            raise
        _write_results()
    except KeyboardInterrupt:
        _stop("interrupted", 128 + signal.SIGINT)
    except _TerminatedError:
        _stop("terminated", 128 + signal.SIGTERM)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads_stdout():
            _discard_stdout()
            _stop("stopped, since nobody reads its output any more", 128 + signal.SIGPIPE)
        line = _line_for(error)
        if line is None:
            _print_recovery_hint()
            raise
        say_error(line)
        _print_recovery_hint()
        sys.exit(1)
    finally:
        if lock is not None:
            os.close(lock)


def _line_for(error: Exception) -> str | None:
    """What is wrong outside the code, and what to do about it; None for a bug of ours."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in _OWN_PACKAGES:
        # The checkout is half updated, or something still imports a module from where it was before 0.2.
        return (
            f"there is no module {error.name}: since version 0.2 the library is schematic_reader/ (see "
            "README.md); change the import, or restore a half-updated checkout with `git restore .`"
        )
    if _is_full_disk(error):
        where = getattr(error, "filename", None) or Path.cwd()
        free = shutil.disk_usage(Path.cwd()).free // 1_000_000
        return (
            f"no space is left at {where} ({free} MB free here): free some, then run the same command again"
        )
    if isinstance(error, OSError) and error.errno in _OUTSIDE:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return f"{what}: check the path, its permissions and the disk, then run the same command again"
    return None


def _is_full_disk(error: BaseException) -> bool:
    """Whether this or an error before it tells of a full disk or quota, in the words of any library."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    # safetensors, tokenizers and PyTorch have no errno.
    if _FULL_DISK.search(str(error)):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and _is_full_disk(before)


def _turn_sigterm_into_an_exception() -> None:
    owner = os.getpid()

    def raise_in_this_process(*_: Any) -> None:
        if os.getpid() != owner:  # a forked worker
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        raise _TerminatedError

    signal.signal(signal.SIGTERM, raise_in_this_process)


def _stop(what: str, status: int) -> NoReturn:
    """Say what has ended the command, and end it."""
    finished = "finished work is kept; no partial file is left"
    print(f"{what}: {finished}; run the same command again", file=sys.stderr)
    _print_recovery_hint()
    sys.exit(status)


def _nobody_reads_stdout() -> bool:
    """Whether standard output is a pipe or socket whose other end is closed."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)  # errors are always told
    return bool(poll.poll(0))


def _discard_stdout() -> None:
    """Let the interpreter flush what it still holds into nothing."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _lock(spec: ModuleSpec | None) -> int | None:
    """Lock the module that was started, for this process's life: the open lock file.

    Ranks that this process starts run under its lock. Outside a DVC repository there is none: then it is no
    pipeline that starts again what is still running.

    Raises:
        UserError: another process holds the lock.
    """
    rank = os.environ.get("LOCAL_RANK", "0")
    if spec is None or _LOCKED in os.environ or rank != "0" or not Path(".dvc").is_dir():
        return None
    path = Path(".dvc/tmp") / f"{spec.name}.lock"
    path.parent.mkdir(exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        process = os.read(lock, 20).decode("ascii", "replace")
        os.close(lock)
        raise UserError(
            f"{spec.name} is already running here as process {process}, perhaps left over from a `dvc repro` "
            "that was killed: wait for it, or end it, then run the same command again"
        ) from None
    os.truncate(lock, 0)
    os.write(lock, str(os.getpid()).encode("ascii"))
    os.environ[_LOCKED] = spec.name
    return lock


def without_token(text: str) -> str:
    """The text with the value of ``HF_TOKEN`` replaced by the variable's name."""
    token = os.environ.get(_TOKEN)
    return text.replace(token, _HIDDEN) if token else text


def terminal_text(text: str) -> str:
    """The text without the token and without what a terminal would obey, but for tabs and line ends.

    U+FFFD stands in the place of control characters, marks of text direction and surrogates.
    """
    return _CONTROL.sub("\ufffd", without_token(text))


def say(text: str, *, end: str = "\n") -> None:
    """Print a result on standard output by ``terminal_text``: names and answers come from outside."""
    _write_results(terminal_text(text) + end)


def _write_results(text: str = "") -> None:
    """Write to standard output; all that it holds where there is no ``text``.

    Raises:
        UserError: it cannot be written, as on a full disk. A closed pipe is told by ``run``.
    """
    try:
        if text:
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_stdout()
        raise UserError(
            f"standard output cannot be written ({error.strerror}): free some space there or send it "
            "elsewhere, then run the same command again"
        ) from None


def say_error(line: str) -> None:
    """Print what is wrong on standard error, in one line whatever stands in it."""
    print(f"error: {terminal_text(' '.join(line.split()))}", file=sys.stderr)


def malformed_token() -> str:
    """A line where ``HF_TOKEN`` cannot be a token, so that nothing was sent to the Hub; else empty."""
    return _malformed


def _guard_token() -> None:
    """Take blanks off the ends of ``HF_TOKEN``.

    One that cannot be a token is taken away, before any client puts it in a header whose error message would
    show it; whoever needs the Hub then says so by ``malformed_token``.
    """
    global _malformed
    token = os.environ.pop(_TOKEN, "").strip()
    if re.fullmatch(r"[!-~]+", token):
        os.environ[_TOKEN] = token
    elif token:
        _malformed = (
            f"{_TOKEN} holds a blank, a line break or a letter outside ASCII, which no token has: set it anew"
        )


def _guard_output() -> None:
    """Let log records, warnings and tracebacks of all threads pass through ``terminal_text``."""
    logging.setLogRecordFactory(_log_record)
    warnings.formatwarning = lambda *args, **kwargs: terminal_text(_format_warning(*args, **kwargs))
    sys.excepthook = _print_traceback
    sys.unraisablehook = threading.excepthook = _print_background_traceback


def _log_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = logging.LogRecord(*args, **kwargs)
    try:
        said = record.getMessage()
    except (TypeError, ValueError):  # the arguments do not fit, which logging would report with their values
        said, record.msg, record.args = "", terminal_text(str(record.msg)), ()
    if terminal_text(said) != said:
        record.msg, record.args = terminal_text(said), ()
    if record.exc_info and record.exc_info[0]:
        text = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        if terminal_text(text) != text:  # formatters take exc_text where there is one
            record.exc_text, record.exc_info = terminal_text(text), None
    return record


def _print_traceback(*error: Any) -> None:
    print(terminal_text("".join(traceback.format_exception(*error))), end="", file=sys.stderr)


def _print_background_traceback(found: Any) -> None:
    """The same for what ``threading.excepthook`` and ``sys.unraisablehook`` are given."""
    _print_traceback(found.exc_type, found.exc_value, found.exc_traceback)


def start_logging() -> None:
    """Log to stderr; of the processes of a distributed run on one machine only the first logs.

    What is wrong in another one is still said: errors are logged and printed by all.
    """
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    logging.basicConfig(level=logging.INFO if first else logging.ERROR, format="%(levelname)s %(message)s")


def _print_recovery_hint() -> None:
    """Say how to undo a failed experiment: DVC leaves its changes in params.yaml, unless it was queued."""
    if "DVC_EXP_NAME" in os.environ and Path(os.environ.get("DVC_ROOT", "")) == Path.cwd():
        print(
            "the experiment's changes are still here: correct them and run it again, or undo them with "
            "`git restore params.yaml dvc.lock metrics && dvc checkout`",
            file=sys.stderr,
        )


def parse_no_arguments(doc: str | None) -> None:
    """Answer ``--help`` with the stage's docstring and refuse anything else on the command line."""
    argument_parser(doc).parse_args()


def argument_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser of a stage's command line, without arguments at first.

    What a stage does is set in params.yaml alone, so that its results follow from what is under version
    control.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(usage="%(prog)s", description=doc, formatter_class=formatter)
