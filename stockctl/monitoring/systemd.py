"""Notifies systemd, by the protocol of sd_notify(3)."""

import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"


class SystemdNotifier:
    """Whoever started the program, if it listens; otherwise nobody, and nothing is done.

    Args:
        environment: where the address of its socket is.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get(VARIABLE, "")

    @property
    def listens(self) -> bool:
        """Whether there is one."""
        return self._address[:1] in ("/", "@") and hasattr(socket, "AF_UNIX")

    def ready(self) -> None:
        """Tell that the work has begun."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Tell that all is well, and in a few words what is being done; it resets the watchdog."""
        self._send(f"WATCHDOG=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self.listens:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.connect(address)
                sender.sendall(message.encode())
            except OSError:
                # A supervisor that has gone, or does not read, must not end the work.
                return
