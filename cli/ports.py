"""Ports that a program is about to listen on."""

from __future__ import annotations

import socket

from kernel.errors import ServerError

PORT_TAKEN = "Choose another port with --port, or end the program that uses it."


def refuse_busy_port(what: str, host: str, port: int, hint: str) -> None:
    """Say before anything is started, in one sentence, what a server would say in many.

    Args:
        what: begins the sentence, such as "The page cannot be served".

    Raises:
        ServerError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServerError(f"{what} on {host}:{port} ({error.strerror}).", hint=hint) from None
