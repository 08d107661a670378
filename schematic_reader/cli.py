"""Errors that a user can cause, printed as one line instead of a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path


class UserError(Exception):
    """Something outside the code is wrong; the message is one line that names the fix."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main``: a ``UserError`` becomes one line on stderr and exit status 1.

    Any other exception keeps its traceback, because it is a bug of ours. With each comes the way back where
    ``dvc exp run`` has changed the workspace.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        _tell_the_way_back()
        sys.exit(1)
    except KeyboardInterrupt:
        finished = "what was finished is kept, nothing half-written is"
        print(f"interrupted: {finished}; run the same command again", file=sys.stderr)
        _tell_the_way_back()
        sys.exit(130)
    except Exception:
        _tell_the_way_back()
        raise


def _tell_the_way_back() -> None:
    """DVC leaves a failed experiment's change in params.yaml; one of a queue runs in a folder of its own."""
    if "DVC_EXP_NAME" in os.environ and Path(os.environ.get("DVC_ROOT", "")) == Path.cwd():
        print(
            "the experiment's changes are still here: put them right and run it again, or go back with "
            "`git restore params.yaml dvc.lock metrics && dvc checkout`",
            file=sys.stderr,
        )


def takes_no_arguments(doc: str | None) -> None:
    """Answer ``--help`` with the stage's docstring and refuse anything else on the command line."""
    command_line(doc).parse_args()


def command_line(doc: str | None) -> argparse.ArgumentParser:
    """A stage's command line, without arguments at first.

    What a stage does is told by params.yaml alone, so that its results follow from what is under version
    control.
    """
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(usage="%(prog)s", description=doc, formatter_class=formatter)
