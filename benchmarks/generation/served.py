"""``python -m benchmarks.generation.served --endpoint URL --model NAME``: does a server answer as we do?

Asks a server with OpenAI's chat interface, such as vLLM's, about the validation sheets, with the picture, the
prompt and the limits of ``stages.evaluate``, and compares with this project's own answers, which come from
``.answer_cache`` where they are there. Prints one JSON line: the share of equal answers, and the difference
in F1 with its interval. A key, if the server wants one, comes from ``OPENAI_API_KEY``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
from tqdm import tqdm

from schematic_reader.cli import UserError, run, start_logging
from schematic_reader.config import Params, load_params
from schematic_reader.generation.answerer import open_answerer
from schematic_reader.model.sheet_images import SheetImages
from schematic_reader.scoring.evaluation import MessageRow, prediction_rows, validation_sheets
from schematic_reader.scoring.metrics import gain
from schematic_reader.scoring.precision_recall import count, total
from schematic_reader.scoring.predictions import PredictionRow, actual_items, predicted_items
from schematic_reader.tasks import task as task_named
from schematic_reader.tasks.contract import ModelAnswer, Task

CLEAN = Path("data/clean")
MESSAGES = Path("data/messages")
ADAPTER = Path("models/adapter")
ANSWERS = Path(".answer_cache/tuned")
KEY = "OPENAI_API_KEY"
_PARALLEL = 16  # requests at once; the server batches them
_SECONDS = 600  # for one answer


def main() -> None:
    """Ask both and print the comparison."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--endpoint", required=True, help="address up to and with /v1")
    parser.add_argument("--model", required=True, help="the name under which the server has the model")
    parser.add_argument("--sheets", type=int, default=200, help="validation sheets at most")
    arguments = parser.parse_args()
    params = load_params()
    _check_settings(params)
    task = task_named(params.task)
    rows = validation_sheets(MESSAGES, arguments.sheets)
    images = SheetImages(CLEAN, "validation", params.active.image)
    bodies = [request_body(row, images, params, model=arguments.model) for row in rows]
    served = asyncio.run(ask(arguments.endpoint, bodies))
    answerer = open_answerer(
        params.active.model, task, params.evaluate, seed=params.seed, adapter=ADAPTER, cache=ANSWERS
    )
    own = answerer.answer(images, rows)
    found = compare(prediction_rows(rows, own, task), prediction_rows(rows, served, task), task, params)
    print(json.dumps(found))


def _check_settings(params: Params) -> None:
    """Refuse settings that servers do not have, or have with another meaning."""
    for key, plain in (("num_beams", 1), ("grammar", False), ("repetition_penalty", 1.0)):
        value = getattr(params.evaluate, key)
        if value != plain:
            raise UserError(
                f"evaluate.{key} is {value}, which a server is not asked for: set it to {plain} in "
                "params.yaml and run `dvc repro`"
            )
    if (tiles := params.active.image.tiles) != 1:
        raise UserError(
            f"the profile's image.tiles is {tiles}, and a server is asked about whole sheets: set it to 1 in "
            "params.yaml and run `dvc repro`"
        )


def request_body(row: MessageRow, images: SheetImages, params: Params, *, model: str) -> dict[str, Any]:
    """The body of a request for the greedy answer to a message row; the picture travels as a PNG."""
    png = io.BytesIO()
    images.picture(row).save(png, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}"
    return {
        "model": model,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": url}},
                    {"type": "text", "text": row["prompt"]},
                ],
            }
        ],
        "max_tokens": params.evaluate.max_new_tokens,
        "temperature": 0,
    }


async def ask(endpoint: str, bodies: list[dict[str, Any]]) -> list[ModelAnswer]:
    """The server's answer to each body, in their order.

    Raises:
        UserError: the server cannot be reached, refuses, or answers with something else.
    """
    key = os.environ.get(KEY)
    session = aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SECONDS),
    )
    limit = asyncio.Semaphore(_PARALLEL)
    async with session:
        with tqdm(total=len(bodies), desc="asking the server", unit="sheet") as progress:

            async def one(body: dict[str, Any]) -> ModelAnswer:
                async with limit:
                    answer = await _ask_one(session, f"{endpoint.rstrip('/')}/chat/completions", body)
                progress.update()
                return answer

            return await asyncio.gather(*map(one, bodies))


async def _ask_one(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> ModelAnswer:
    try:
        async with session.post(url, json=body) as response:
            text = await response.text()
            status = response.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{url} cannot be reached ({reason}): check --endpoint and that it serves") from None
    if status != 200:
        said = " ".join(text.split())[:200]
        raise UserError(f"{url} answers {status} ({said}): check --model and the server's log")
    try:
        value = json.loads(text)
        choice = value["choices"][0]
        content, finish = choice["message"]["content"], choice["finish_reason"]
        tokens = value["usage"]["completion_tokens"]
        return ModelAnswer(content.strip(), int(tokens), "length" if finish == "length" else "stop")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UserError(f"{url} answers with no chat completion: check --endpoint") from None


def compare(
    own: list[PredictionRow], served: list[PredictionRow], task: Task, params: Params
) -> dict[str, Any]:
    """Share of equal answers, both F1, and the served one minus ours with its 95 % interval."""
    difference = gain(
        served, own, task=task, bootstrap_samples=params.evaluate.bootstrap_samples, seed=params.seed
    )
    equal = sum(ours.prediction == theirs.prediction for ours, theirs in zip(own, served, strict=True))
    return {
        "sheets": len(own),
        "equal": round(equal / len(own), 4),
        "f1": _f1(own, task),
        "f1_served": _f1(served, task),
        "difference": difference["f1"],
        "difference_low": difference["f1_low"],
        "difference_high": difference["f1_high"],
    }


def _f1(rows: list[PredictionRow], task: Task) -> float:
    pairs = ((predicted_items(row, task), actual_items(row, task)) for row in rows)
    return round(total(count(*pair) for pair in pairs).f1, 6)


if __name__ == "__main__":
    start_logging()
    run(main)
