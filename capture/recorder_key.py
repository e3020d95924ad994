"""The recorder's own key, with which it signs where its chains end."""

from __future__ import annotations

from pathlib import Path

from kernel.signing_key import SigningKey, signing_key

PRIVATE_NAME = "recorder.pem"
PUBLIC_NAME = "recorder.pub.pem"
"""Beside the private key, for auditors; made again where it is missing."""


def recorder_key(directory: Path) -> SigningKey:
    """The recorder's key, made now if there is none.

    Raises:
        StorageError: it cannot be read or made. One that is damaged is left as it is.
    """
    return signing_key(directory / PRIVATE_NAME)
