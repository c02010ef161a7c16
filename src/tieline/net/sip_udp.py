"""SIP over UDP: one non-blocking socket, many datagrams a wake-up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from tieline.net.addresses import bound_socket, plain_address, socket_address
from tieline.sip.events import Flow, Transport

_BATCH = 64
_FLOWS = 4_096
_BUFFER_BYTES = 4 * 1024 * 1024
_LARGEST = 65_535


def bind_udp(host: str, port: int) -> socket.socket:
    """A bound, non-blocking UDP socket with a large receive buffer. Raises `OSError`."""
    sock = bound_socket(host, port, socket.SOCK_DGRAM)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    return sock


class SipUdp:
    """Reads with `loop.add_reader`, at most 64 datagrams before the loop may do something else.

    `received(data, flow)` is called for each, `settled()` once after a batch.
    """

    def __init__(
        self,
        sock: socket.socket,
        received: Callable[[bytes, Flow], None],
        settled: Callable[[], None],
    ) -> None:
        self._sock = sock
        self._received = received
        self._settled = settled
        self._flows: dict[tuple[str, int], Flow] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)
        self._dual = sock.family is socket.AF_INET6
        self.address = plain_address(sock.getsockname())

    def _flow(self, address: tuple[str, int]) -> Flow:
        flow = self._flows.get(address)
        if flow is None:
            if len(self._flows) >= _FLOWS:
                self._flows.clear()
            flow = self._flows[address] = Flow(Transport.UDP, plain_address(address))
        return flow

    def _read(self) -> None:
        receive = self._sock.recvfrom
        for _ in range(_BATCH):
            try:
                data, address = receive(_LARGEST)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                # An ICMP error of an earlier datagram; the socket itself is fine and timers see to that peer.
                continue
            self._received(data, self._flow(address[:2]))
        self._settled()

    def send(self, data: bytes, flow: Flow) -> bool:
        """Send one datagram; False when the machine refuses the address or the size.

        A full buffer loses the datagram silently, as the network would: timers repeat what matters.
        """
        try:
            remote = flow.remote if not self._dual else socket_address(socket.AF_INET6, flow.remote)
            self._sock.sendto(data, remote)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Stop reading and close the socket."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
