"""Errors that a user can cause, printed as one line instead of a traceback."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

_OWN_PACKAGES = ("schematic_reader", "stages")


class UserError(Exception):
    """Something outside the code is wrong; the message is one line that names the fix."""


def run(main: Callable[[], None]) -> None:
    """Run a stage's ``main``: a ``UserError`` becomes one line on stderr and exit status 1.

    So does a missing module of this repository: the checkout is half updated, or something still imports a
    module from where it was before version 0.2. Any other exception keeps its traceback, because it is a bug
    of ours. With each comes a recovery hint where ``dvc exp run`` has changed the workspace.
    """
    try:
        main()
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
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
    except Exception:
        _print_recovery_hint()
        raise


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
