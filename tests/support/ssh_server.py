"""OpenSSH's own sshd on loopback, for a remote over SSH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_SETTINGS = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""

_CLIENT = """\
Host box
  HostName 127.0.0.1
  Port {port}
  User {user}
  IdentityFile {folder}/key
"""


@dataclass(frozen=True)
class Sshd:
    """A running server.

    Attributes:
        home: a home folder whose ``.ssh`` knows the server as ``box``, its key and how to log in.
    """

    home: Path


def sshd() -> str | None:
    """OpenSSH's server, where it is installed."""
    return shutil.which("sshd", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """A server that lets this user in by a key; skips the test where there is none to be had."""
    program = sshd()
    if program is None:
        pytest.skip("needs sshd (Debian: apt-get install openssh-server)")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(
            mode=0o755, exist_ok=True
        )  # where sshd drops its rights; made by the service else
    for name in ("host", "key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
            check=True,
            capture_output=True,
        )
    shutil.copy(folder / "key.pub", folder / "authorized")
    port = _free_port()
    (folder / "sshd_config").write_text(_SETTINGS.format(port=port, folder=folder))
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(_CLIENT.format(port=port, folder=folder, user=getpass.getuser()))
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        try:
            _wait_until_it_answers(server, port, folder / "log")
            yield Sshd(home)
        finally:
            server.terminate()
            server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(100):
        if server.poll() is not None:
            raise AssertionError(f"sshd ended at once:\n{log.read_text()}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"sshd does not answer:\n{log.read_text()}")
