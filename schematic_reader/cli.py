"""Errors that a user can cause, printed as one line instead of a traceback."""

from __future__ import annotations

import argparse
import errno
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

_OWN_PACKAGES = ("schematic_reader", "stages")
_TOKEN = "HF_TOKEN"  # noqa: S105, the name of a variable
_HIDDEN = f"[{_TOKEN}]"


class UserError(Exception):
    """Something outside the code is wrong; the message is one line that names the fix."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main``: a ``UserError`` becomes one line on stderr and exit status 1.

    So does a missing module of this repository: the checkout is half updated, or something still imports a
    module from where it was before version 0.2, and a full disk. Any other exception keeps its traceback,
    because it is a bug of ours. With each comes a recovery hint where ``dvc exp run`` has changed the
    workspace. The value of ``HF_TOKEN`` stands in none of them, nor in a log record.
    """
    try:
        _guard_token()
        main()
    except UserError as error:
        print(f"error: {' '.join(without_token(str(error)).split())}", file=sys.stderr)
        _print_recovery_hint()
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OWN_PACKAGES:
            raise
        print(
            f"error: there is no module {error.name}: since version 0.2 the library is schematic_reader/ "
            "(see README.md); change the import, or restore a half-updated checkout with `git restore .`",
            file=sys.stderr,
        )
        _print_recovery_hint()
        sys.exit(1)
    except KeyboardInterrupt:
        finished = "finished work is kept; no partial file is left"
        print(f"interrupted: {finished}; run the same command again", file=sys.stderr)
        _print_recovery_hint()
        sys.exit(130)
    except OSError as error:
        _print_recovery_hint()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = without_token(str(error.filename or Path.cwd()))
        print(
            f"error: no space is left at {where}: free some, then run the same command again", file=sys.stderr
        )
        sys.exit(1)
    except Exception:
        _print_recovery_hint()
        raise


def without_token(text: str) -> str:
    """The text with the value of ``HF_TOKEN`` replaced by the variable's name."""
    token = os.environ.get(_TOKEN)
    return text.replace(token, _HIDDEN) if token else text


def _guard_token() -> None:
    """Take blanks off the ends of ``HF_TOKEN``, and hide it in log records and tracebacks.

    It is checked here, before any client puts it in a header whose error message would show it.

    Raises:
        UserError: it cannot be a token.
    """
    token = os.environ.get(_TOKEN, "").strip()
    if not token:
        os.environ.pop(_TOKEN, None)
        return
    if not re.fullmatch(r"[!-~]+", token):
        raise UserError(
            f"{_TOKEN} holds a blank, a line break or a letter outside ASCII, which no token has: set it anew"
        )
    os.environ[_TOKEN] = token
    make_record = logging.getLogRecordFactory()

    def guarded(*args: object, **kwargs: object) -> logging.LogRecord:
        record = make_record(*args, **kwargs)
        message = record.getMessage()
        if token in message:
            record.msg, record.args = without_token(message), ()
        return record

    def print_traceback(*error: Any) -> None:
        print(without_token("".join(traceback.format_exception(*error))), end="", file=sys.stderr)

    logging.setLogRecordFactory(guarded)
    sys.excepthook = print_traceback


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
