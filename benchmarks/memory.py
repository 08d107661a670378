"""``python -m benchmarks.memory``: the memory of ``stages.predict`` over many sheets, and of its page.

A folder of 500 generated sheets goes through ``stages.predict``, and 1,000 uploads of one sheet to its page,
pictures and KiCad files in turn, with the model that ships and settings for little work. The resident memory
of the process is recorded after each hundred; it should stay where it is after the first.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from benchmarks.common.results import record, resident
from benchmarks.common.small_checkout import environment, small_checkout
from schematic_reader.synthetic.sample import make_row

STEP = 100
_PREDICT = (sys.executable, "-m", "stages.predict", "--adapter", "models/tiny")
_BOUNDARY = "boundary"


def main() -> None:
    """Record a line for the folder and one for the page."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.memory", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--sheets", type=int, default=500, help="of the folder (default: 500)")
    parser.add_argument("--uploads", type=int, default=1000, help="to the page (default: 1000)")
    args = parser.parse_args()
    with TemporaryDirectory() as temporary:
        checkout = small_checkout(Path(temporary) / "checkout")
        folder = Path(temporary) / "sheets"
        folder.mkdir()
        sheets = []
        for number in tqdm(range(args.sheets), desc="drawing"):
            row = make_row(number, 1, width=512, height=360)
            (folder / f"{number:04}.png").write_bytes(row["image"]["bytes"])
            sheets.append((row["image"]["bytes"], row["schematic"].encode()))
        for name, at in (
            ("predict, sheets of a folder", over_folder(checkout, folder)),
            ("page, uploads", over_uploads(checkout, sheets, args.uploads)),
        ):
            record("memory", name, **{f"mib_{count}": round(bytes / 2**20) for count, bytes in at.items()})


def over_folder(checkout: Path, folder: Path) -> dict[int, int]:
    """Resident bytes of ``stages.predict`` by the number of sheets that it has read."""
    with started(checkout, str(folder)) as process:
        found, done = {}, 0
        for line in process.stderr or ():
            if read := re.search(r"(\d+) read, ", line):
                done += int(read[1])
                if done % STEP == 0:
                    found[done] = resident(process.pid)
        process.communicate()
    return found


def over_uploads(checkout: Path, sheets: list[tuple[bytes, bytes]], uploads: int) -> dict[int, int]:
    """Resident bytes of the page's process by the number of uploads that it has answered.

    Args:
        sheets: each as a picture and as a KiCad file.
    """
    with started(checkout, "--serve", "--port", "0") as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = re.search(r"http://\S+", line)
            if address is None:
                raise SystemExit(f"the page does not start: {line}")
            found = {}
            for number in tqdm(range(1, uploads + 1), desc="uploading"):
                picture, text = sheets[number % len(sheets)]
                upload(address[0], *(("a.png", picture) if number % 2 else ("a.kicad_sch", text)))
                if number % STEP == 0:
                    found[number] = resident(process.pid)
        finally:
            process.kill()
    return found


def started(checkout: Path, *words: str) -> subprocess.Popen[str]:
    """``stages.predict`` in the checkout; what it logs is in ``stderr``, but for the page's."""
    serving = "--serve" in words
    return subprocess.Popen(
        [*_PREDICT, *words],
        cwd=checkout,
        env=environment(),
        stdout=subprocess.PIPE if serving else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if serving else subprocess.PIPE,
        text=True,
    )


def upload(address: str, name: str, data: bytes) -> None:
    """Send one file as the page does. Raises HTTPError where it is refused."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    request = urllib.request.Request(f"{address}/read", body, kind)  # noqa: S310, our own server
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        answer.read()


if __name__ == "__main__":
    main()
