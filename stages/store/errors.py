"""Errors that a user can cause, printed as one line instead of a traceback."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something outside the code is wrong; the message is one line that names the fix."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main``: a ``UserError`` becomes one line on stderr and exit status 1.

    Any other exception keeps its traceback, because it is a bug of ours.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted: nothing half-written was kept; run the same command again", file=sys.stderr)
        sys.exit(130)


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
