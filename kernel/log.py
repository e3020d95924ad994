"""Logging: a sentence for people, a stable ``action`` and fields for machines, never a credential."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

_SECRET_WORDS = ("password", "token", "secret", "authorization", "credential")


def _hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Invariant 16: whatever is named like a secret is not written."""
    return {key: "***" if _is_secret(key) else value for key, value in event.items()}


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET_WORDS)


def _to_stderr(*_args: Any) -> structlog.PrintLogger:
    """Standard error as it is when a line is written: whoever replaced it may have closed the old one."""
    return structlog.PrintLogger(sys.stderr)


def configure_logging(*, machine: bool = False, level: int = logging.INFO) -> None:
    """Send log lines to standard error: for people, or one JSON object a line for machines."""
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if machine
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            _hide_secrets,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_stderr,
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """The logger of a room, such as ``logger("capture").info("…", action="run.started", source=…)``."""
    return structlog.get_logger(room=room)
