"""What an adapter was trained for, in its folder: it reads sheets by that wherever the folder lies."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from schematic_reader.cli import UserError
from schematic_reader.config import Data, FormName, ImageLimits, Params, TaskName
from schematic_reader.io.files import write_json
from schematic_reader.io.fingerprint import files_digest

READER_SETTINGS = "reader.json"


@dataclass(frozen=True)
class ReaderSettings:
    """The settings of an adapter's training that reading a sheet must follow.

    Attributes:
        task: what the adapter answers.
        form, with_name: of its prompt.
        image: the largest picture that it was shown, in pixels, and into how many tiles others were cut.
        canvas: width and height of its sheets in pixels, where all were drawn at one size; None where not.
        answer_tokens: of the longest answer that it was trained on.
        base_weights: ``weights_digest`` of its base; None of a base from the Hub, which has its revision.
    """

    task: TaskName
    form: FormName
    with_name: bool
    image: ImageLimits
    canvas: tuple[int, int] | None
    answer_tokens: int
    base_weights: str | None

    @classmethod
    def of(cls, params: Params, *, answer_tokens: int) -> ReaderSettings:
        """Those of a training run, whose longest answer has ``answer_tokens``.

        What comes from other groups than the image's changes messages or pictures too, so that the stage
        ``train``, which does not name it among its parameters, never runs with a part of it changed alone.
        The form changes nothing of the task ``components``, whose lists are compact either way.
        """
        messages, profile = params.messages, params.active
        return cls(
            task=params.task,
            form="compact" if params.task == "components" else messages.form,
            with_name=messages.with_name,
            image=profile.image,
            canvas=canvas(profile.data),
            answer_tokens=answer_tokens,
            base_weights=weights_digest(Path(profile.model.base)),
        )

    def write(self, folder: Path) -> None:
        """Write them to the folder of the adapter."""
        write_json(folder / READER_SETTINGS, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> ReaderSettings | None:
        """Those of the adapter in ``folder``; None where it has none, as of another trainer.

        Raises:
            UserError: they are damaged.
        """
        path = folder / READER_SETTINGS
        try:
            return cls._checked(json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, RecursionError, UserError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path} is damaged: get the adapter anew ({reason})") from None

    @classmethod
    def _checked(cls, stored: Any) -> ReaderSettings:
        """Raises ValueError, TypeError, KeyError or UserError where a value is missing or not allowed."""
        image = ImageLimits(**{name: _positive(value) for name, value in dict(stored["image"]).items()})
        canvas = None
        if stored["canvas"] is not None:
            width, height = map(_positive, stored["canvas"])
            canvas = width, height
        base = stored["base_weights"]
        if (
            stored["task"] not in get_args(TaskName)
            or stored["form"] not in get_args(FormName)
            or not isinstance(stored["with_name"], bool)
            or not isinstance(base, str | None)
        ):
            raise ValueError("task, form, with_name or base_weights is of another version")
        tokens = _positive(stored["answer_tokens"])
        return cls(stored["task"], stored["form"], stored["with_name"], image, canvas, tokens, base)


def canvas(data: Data) -> tuple[int, int] | None:
    """Width and height of all sheets in pixels, where the generator alone draws them."""
    return (data.width, data.height) if data.source == "sample" and data.width and data.height else None


def weights_digest(base: Path) -> str | None:
    """A hash of the weights in a base model's folder; None where it is no folder, but an id on the Hub."""
    return files_digest(base.glob("*.safetensors"), root=base) if base.is_dir() else None


def _positive(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no number of pixels or tokens")
    return value
