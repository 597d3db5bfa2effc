"""Notifies systemd by the protocol of sd_notify(3)."""

import socket
from collections.abc import Mapping

VARIABLE = "NOTIFY_SOCKET"


class SystemdNotifier:
    """Tells the service manager how the program is; does nothing when no service manager listens.

    Args:
        environment: holds the address of the service manager's socket.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get(VARIABLE, "")

    @property
    def listens(self) -> bool:
        """Whether a service manager listens."""
        return self._address[:1] in ("/", "@")

    def ready(self) -> None:
        """Report that the program has started."""
        self._send("READY=1")

    def alive(self, status: str) -> None:
        """Reset the watchdog and report a short status."""
        self._send(f"WATCHDOG=1\nSTATUS={' '.join(status.split())}")

    def stopping(self) -> None:
        """Report that the program is stopping."""
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
                # A service manager that is gone or does not read must not end the run.
                return
