"""A reference client of the interface for trading systems; what it does is all that a system needs to do.

Whatever raises an error is kept by the caller and sent again later: projects and events bear ids of their
own, so nothing is counted twice. Run it by hand:

    python trading_client.py https://recorder:8443 KEY project.json events.json [certificate.pem]

The last is the recorder's own certificate (``data_dir/keys/receiver.crt``), where it signs itself.
"""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

BATCH = 1000
"""Events that one request may bring."""


class TradingClient:
    """Reports projects, events and seats.

    Args:
        address: of the recorder, such as ``https://recorder:8443``.
        key: of this trading system.
        verify: whether to check the certificate: True, or a context that trusts the recorder's own one.
        transport: for tests.
    """

    def __init__(
        self, address: str, key: str, *, verify: Any = True, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._http = httpx.Client(
            base_url=f"{address}/api/trading",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            transport=transport or httpx.HTTPTransport(verify=verify, retries=3),
        )

    def report_project(self, project: Mapping[str, Any]) -> None:
        """A project with its sections, venues, bookings and planned sessions, or its newest state.

        Raises:
            httpx.HTTPStatusError: it was refused; the answer's ``detail`` says why.
        """
        self._http.put(f"/projects/{project['id']}", json=project).raise_for_status()

    def report_events(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Events in any order; returns what became of those that somebody should look at, and only those.

        These are the refused (``outcome`` is ``refused``; ``message`` and ``hint`` say why), and those that
        were taken in although something is odd about them (``notices``), such as a time far outside their
        session.

        Raises:
            httpx.HTTPStatusError: the request as a whole was refused.
        """
        odd = []
        for first in range(0, len(events), BATCH):
            answer = self._http.post("/events", json=events[first : first + BATCH])
            if answer.status_code != 409:  # 409: some were refused, and the others are recorded
                answer.raise_for_status()
            told = answer.json()["events"]
            odd += [one for one in told if one["outcome"] == "refused" or one["notices"]]
        return odd

    def report_seats(self, session: str, seats: Sequence[Mapping[str, Any]], reason: str) -> None:
        """Who sat where in the whole session: who left stays in the list, with ``until``.

        Raises:
            httpx.HTTPStatusError: it was refused; the answer's ``detail`` says why.
        """
        told = {"seats": list(seats), "reason": reason}
        self._http.put(f"/sessions/{session}/seats", json=told).raise_for_status()

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


def trusting(certificate: str) -> ssl.SSLContext:
    """A context that trusts a recorder's own certificate, whatever address it is called by."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False  # the certificate is that very recorder's: its name adds nothing
    return context


def main() -> int:
    """Report a project and its events from two JSON files."""
    if len(sys.argv) not in (5, 6):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    address, key, project, events, *certificate = sys.argv[1:]
    client = TradingClient(address, key, verify=trusting(certificate[0]) if certificate else True)
    try:
        client.report_project(json.loads(Path(project).read_text(encoding="utf-8")))
        odd = client.report_events(json.loads(Path(events).read_text(encoding="utf-8")))
    except httpx.HTTPStatusError as error:
        sys.stderr.write(f"{error.response.status_code}: {error.response.text}\n")
        return 1
    except httpx.TransportError as error:
        sys.stderr.write(f"{address} cannot be reached: {error}\n")
        return 1
    finally:
        client.close()
    for one in odd:
        for said in [one] if one["outcome"] == "refused" else one["notices"]:
            sys.stderr.write(f"{one['id']} {one['outcome']}: {said['message']} {said['hint']}\n")
    return 1 if any(one["outcome"] == "refused" for one in odd) else 0


if __name__ == "__main__":
    sys.exit(main())
