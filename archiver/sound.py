"""How sound is archived."""

from __future__ import annotations

AUDIO_RATE_HZ = 16_000
AUDIO_KBPS = 24
"""Mono AAC-LC: speech stays intelligible."""
