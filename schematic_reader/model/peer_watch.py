"""Ends a rank soon after another has died, long before a collective that waits for it times out.

Every rank holds a TCP connection to rank 0, over which a process says how it ends. The kernel of one that was
killed closes its connection, which the other end sees at once; that of a machine that is down is found by
keep-alive probes, within a minute. A thread waits on the connections: the ranks' own threads may be stuck in
a collective.
"""

from __future__ import annotations

import atexit
import hmac
import ipaddress
import logging
import os
import secrets
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

DONE, FAILED, DIED = b"d", b"f", b"x"
"""How a process ends: at the end of its work; with an error of its own, which it has told; otherwise."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 5}  # seconds, seconds, probes
_GRACE = 5.0  # seconds that a rank has for its own error, which may be the one of the rank that failed
_NOTICE = 2.0  # seconds by which the death of a rank is known here
_SECRET = 16  # bytes
_WORD = struct.Struct("!ci")  # how a process ended, and its rank
_HELLO = struct.Struct(f"!{_SECRET}si")

log = logging.getLogger(__name__)

Agree = Callable[[Any], Any]
"""Gives every rank the value of rank 0."""


class PeerWatch:
    """Watches the other ranks from its making until ``stop``; a process that exits before has failed.

    Args:
        rank: of this process.
        speaks: whether this process says on stderr that the rank that is passed has died: one per node.
        address: of the node of rank 0.
    """

    def __init__(self, rank: int, speaks: Callable[[int], bool], address: str, agree: Agree) -> None:
        self._rank, self._speaks = rank, speaks
        self._peers: dict[socket.socket, int] = {}
        self._stopped = threading.Event()
        self._owner = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()  # for the watching thread to end
        family, *_, place = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        self._listening: socket.socket | None = None
        if rank == 0:
            host = str(place[0]) if ipaddress.ip_address(str(place[0])).is_loopback else ""
            self._listening = socket.create_server((host, 0), family=family)
            self._secret = secrets.token_bytes(_SECRET)
            self._selector.register(self._listening, selectors.EVENT_READ)
            agree((self._listening.getsockname()[1], self._secret))
        else:
            port, self._secret = agree(None)
            try:
                self._watch(socket.create_connection((str(place[0]), port), timeout=30), 0)
            except OSError as error:
                log.warning("rank %d cannot watch the others (%s): it waits for one that dies", rank, error)
                return
        self._selector.register(self._woken, selectors.EVENT_READ)
        threading.Thread(target=self._run, daemon=True, name="peer watch").start()
        atexit.register(self._leave, FAILED)
        print_error = sys.excepthook

        def after_notice(*error: Any) -> None:
            # A collective fails where the other end dies: the watch, which knows which, ends this process.
            self._stopped.wait(_NOTICE)
            print_error(*error)

        sys.excepthook = after_notice

    def stop(self) -> None:
        """End the watch: the ranks have nothing more to tell each other."""
        self._leave(DONE)

    def _watch(self, peer: socket.socket, rank: int) -> None:
        """Hold the connection to ``rank``, after telling or being told who this is."""
        peer.setblocking(True)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):  # Linux
                peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        if self._rank:
            peer.sendall(_HELLO.pack(self._secret, self._rank))
        self._peers[peer] = rank
        self._selector.register(peer, selectors.EVENT_READ)

    def _run(self) -> None:
        while not self._stopped.is_set():
            for key, _ in self._selector.select():
                if key.fileobj is self._woken:
                    return
                if key.fileobj is self._listening:
                    self._accept(self._listening)
                elif isinstance(key.fileobj, socket.socket):
                    self._hear(key.fileobj)

    def _accept(self, listening: socket.socket) -> None:
        peer, _ = listening.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 10, 0))  # seconds
        try:
            secret, rank = _HELLO.unpack(peer.recv(_HELLO.size, socket.MSG_WAITALL))
        except (OSError, struct.error):
            peer.close()
            return
        if hmac.compare_digest(secret, self._secret):
            self._watch(peer, rank)
        else:
            peer.close()

    def _hear(self, peer: socket.socket) -> None:
        """Read the word of a rank, or of one that rank 0 passes on; no word is that it has died."""
        try:
            how, rank = _WORD.unpack(peer.recv(_WORD.size, socket.MSG_WAITALL))
        except (OSError, struct.error):
            how, rank = DIED, self._peers[peer]
        self._selector.unregister(peer)
        del self._peers[peer]
        peer.close()
        # Whoever hears that this process is done closes the connection, which is no death.
        if how != DONE and not self._stopped.is_set():
            self._tell(how, rank)
            self._end(how, rank)

    def _tell(self, how: bytes, rank: int) -> None:
        for peer in list(self._peers):
            try:
                peer.sendall(_WORD.pack(how, rank))
            except OSError:  # it has ended, too
                continue

    def _end(self, how: bytes, rank: int) -> None:
        if how == FAILED:
            time.sleep(_GRACE)
        elif self._speaks(rank):
            sys.stderr.write(
                f"error: rank {rank} has died (killed, out of memory or its machine is down), so the others "
                "end: run the same command again, which resumes\n"
            )
        sys.stderr.flush()
        os._exit(1)

    def _leave(self, how: bytes) -> None:
        if self._stopped.is_set() or os.getpid() != self._owner:
            return
        self._stopped.set()
        self._tell(how, self._rank)
        self._wake.close()
