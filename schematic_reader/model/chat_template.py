"""Render a model's chat template, which is a program from outside, in a process of its own.

A template can loop for ever, compute ``9 ** (9 ** 9)`` in one step or take all memory, and outside the main
thread nothing could stop it. So ``python -m schematic_reader.model.chat_template`` renders it within limits
on time and memory, from a line of JSON on standard input to one on standard output. No template sees the
text of a sheet: each form of a chat is rendered once, with ``PLACEHOLDER`` for each text, so none can fail on
certain sheets alone.
"""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from schematic_reader.cli import UserError, run

CPU_SECONDS = 10
"""Of all chats of one call, which take milliseconds; the kernel counts whole seconds."""

PLACEHOLDER = "Text0b6fd2"
_NAME_ANOTHER = "name an Instruct model in the profile's model.base"
_WALL_SECONDS = 120  # with the start of Python, on a machine with much other work
_MEMORY = 4 << 30  # bytes of address space
_MAX_RENDERED = 1_000_000  # characters of a prompt


def rendered_forms(
    template: str, special_tokens: Mapping[str, str], forms: list[tuple[list[dict[str, Any]], bool]]
) -> list[str]:
    """Each chat as the template renders it, its texts ``PLACEHOLDER``.

    Args:
        special_tokens: that templates know by name, such as ``bos_token``.
        forms: messages, and whether a generation prompt follows.

    Raises:
        UserError: the template fails, or takes too much time or memory.
    """
    request = {"template": template, "special_tokens": dict(special_tokens), "forms": forms}
    return list(_rendered(json.dumps({**request, "seconds": CPU_SECONDS})))


@cache
def _rendered(request: str) -> tuple[str, ...]:
    root = str(Path(__file__).resolve().parents[2])
    endless = UserError(f"the model's chat template does not end within {CPU_SECONDS} s: {_NAME_ANOTHER}")
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "schematic_reader.model.chat_template"],
            input=request,
            capture_output=True,
            encoding="utf-8",
            timeout=_WALL_SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": root, "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"},
        )
    except subprocess.TimeoutExpired:
        raise endless from None
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):  # the soft and the hard limit
        raise endless
    if done.returncode:
        last = (done.stderr.strip() or "it crashes").splitlines()[-1]
        raise UserError(last.removeprefix("error: "))
    return tuple(json.loads(done.stdout))


def main() -> None:
    """Render the chats on standard input."""
    from transformers.utils.chat_template_utils import render_jinja_template

    request = json.loads(sys.stdin.readline())
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + request["seconds"]
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    texts = []
    for messages, generation in request["forms"]:
        try:
            (text,), _ = render_jinja_template(
                [messages],
                chat_template=request["template"],
                add_generation_prompt=generation,
                **request["special_tokens"],
            )
        except Exception as error:  # noqa: BLE001, code from outside raises what it likes
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise UserError(f"the model's chat template fails ({reason}): {_NAME_ANOTHER}") from None
        if len(text) > _MAX_RENDERED:
            raise UserError(
                f"the model's chat template makes {len(text)} characters of a prompt: {_NAME_ANOTHER}"
            )
        texts.append(text)
    sys.stdout.write(json.dumps(texts))


if __name__ == "__main__":
    run(main)
