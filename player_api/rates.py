"""How often somebody may try to sign in: bounds by address and by account, on our clock."""

from __future__ import annotations

import hashlib
import ipaddress
import threading
from dataclasses import dataclass

from fastapi import HTTPException
from limits import RateLimitItemPerMinute
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from kernel.clock import SECOND_US, Clock

_MINUTES = 5
_MOST_KEYS = 20_000


class TooMany(HTTPException):
    """Too many attempts were made; nothing was looked at."""

    def __init__(self, wait_us: int) -> None:
        seconds = max(1, -(-wait_us // SECOND_US))
        minutes = -(-seconds // 60)
        message = f"尝试次数过多，请在 {minutes} 分钟后再试。Too many attempts; try again in {minutes} min."
        detail = {"code": "too_many", "message": message}
        super().__init__(429, detail, headers={"Retry-After": str(seconds)})


@dataclass(slots=True)
class _Count:
    number: int
    ends_us: int


class ClockStorage(Storage):
    """Counters in memory that run out by our clock; that of ``limits`` reads the system's (invariant 17)."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, _Count] = {}
        self._lock = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now_us = self._clock.monotonic_us()
        with self._lock:
            if len(self._counts) >= _MOST_KEYS:
                self._forget(now_us)
            count = self._counts.get(key)
            if count is None or count.ends_us <= now_us:
                count = self._counts[key] = _Count(0, now_us + expiry * SECOND_US)
            count.number += amount
            return count.number

    def _forget(self, now_us: int) -> None:
        """What has run out; where that is not enough, the oldest half."""
        self._counts = {key: one for key, one in self._counts.items() if one.ends_us > now_us}
        if len(self._counts) >= _MOST_KEYS:
            self._counts = dict(list(self._counts.items())[_MOST_KEYS // 2 :])

    def get(self, key: str) -> int:
        count = self._counts.get(key)
        return 0 if count is None or count.ends_us <= self._clock.monotonic_us() else count.number

    def get_expiry(self, key: str) -> float:
        """Seconds of the monotonic clock."""
        count = self._counts.get(key)
        return (self._clock.monotonic_us() if count is None else count.ends_us) / SECOND_US

    def check(self) -> bool:
        return True

    def reset(self) -> int:
        number = len(self._counts)
        self._counts.clear()
        return number

    def clear(self, key: str) -> None:
        self._counts.pop(key, None)


class Rates:
    """The bounds; each attempt counts, whatever becomes of it."""

    def __init__(self, clock: Clock, *, per_address: int, per_account: int) -> None:
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(ClockStorage(clock))
        self._per_address = RateLimitItemPerMinute(per_address, _MINUTES)
        self._per_account = RateLimitItemPerMinute(per_account, _MINUTES)

    def of_address(self, address: str) -> None:
        """Raises: TooMany: too many attempts came from there."""
        self._hit(self._per_address, "address", network_of(address))

    def of_account(self, account_id: str) -> None:
        """Raises: TooMany: too many attempts named that account, whether it exists or not."""
        name = hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()
        self._hit(self._per_account, "account", name)

    def _hit(self, limit: RateLimitItemPerMinute, *key: str) -> None:
        if not self._limiter.hit(limit, *key):
            ends_us = round(self._limiter.get_window_stats(limit, *key).reset_time * SECOND_US)
            raise TooMany(ends_us - self._clock.monotonic_us())


def network_of(address: str) -> str:
    """An address of IPv4, or the /64 of one of IPv6: whoever has one of these has all of them. Pure."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return address
    if read.version == 4:
        return address
    return str(ipaddress.ip_network((read, 64), strict=False))
