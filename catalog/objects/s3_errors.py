"""What the errors of S3, of HTTP and of TLS mean to us. No message repeats what a server or a library said.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError
from urllib3.exceptions import ReadTimeoutError as BodyTimeout

from catalog.objects.vendors import Vendor
from kernel.errors import (
    BucketMissing,
    ClocksDisagree,
    DiskFull,
    ObjectExists,
    ObjectMissing,
    StorageError,
    StoreCertificateRefused,
    StoreMisbehaves,
    StoreRefuses,
    StoreUnreachable,
)

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_NO_KEY = frozenset({"NoSuchKey", "NoSuchVersion"})
_CLOCKS = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_DAMAGED = frozenset(
    {"BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidPart", "NoSuchUpload"}
)
_BUSY = frozenset({"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "429"})
_ROOM = "Give the bucket or its user more room; what is not stored yet stays here and is tried again."


def code_of(error: ClientError) -> str:
    """The code of an answer; of one without a body its status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """HTTP status of an answer."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def translated(what: str, where: str, vendor: Vendor) -> Iterator[None]:
    """Turns what goes wrong inside into our errors.

    Args:
        what: what is dealt with, such as a key.
        where: the store, as a person knows it; without credentials.
    """
    try:
        yield
    except ClientError as error:
        raise of_answer(error, what, where, vendor) from None
    except SSLError:
        raise StoreCertificateRefused(f"the certificate of {where} is not trusted.") from None
    except ConnectTimeoutError:
        raise StoreUnreachable(f"{where} takes no connection.") from None
    except (ReadTimeoutError, BodyTimeout):
        raise StoreUnreachable(f"{where} does not answer in time ({what}).") from None
    except (BotoCoreError, HTTPError, OSError) as error:
        raise StoreUnreachable(f"{where} cannot be reached ({what}, {type(error).__name__}).") from None
    except (ResponseParserError, ValueError):  # what botocore says of an answer that it cannot take apart
        raise StoreMisbehaves(f"{where} answers what cannot be read ({what}).") from None


def of_answer(error: ClientError, what: str, where: str, vendor: Vendor) -> StorageError:
    """What a refusal of the server means."""
    code, status = code_of(error), status_of(error)
    if code in _TAKEN:
        return ObjectExists(f"{what} exists; keys are never overwritten.")
    if code == "NoSuchBucket":
        return BucketMissing(f"{where} does not exist.")
    if code in _NO_KEY or (status == 404 and error.operation_name == "HeadObject"):
        return ObjectMissing(f"{what} is not in the store.")
    if status == 404:  # with no code of S3's: a page of something else must not look like a missing object
        return StoreMisbehaves(f"{where} is not found, and who says so is no object store ({what}).")
    if code in vendor.full_codes or status == 507:
        return DiskFull(f"{where} is full; {what} was not stored.", hint=_ROOM)
    if code in _CLOCKS:
        return ClocksDisagree(f"{where} refuses the time of the request.")
    if code in _DAMAGED:
        return StoreMisbehaves(f"{where} did not take {what} as it was sent ({code}).")
    if status >= 500 or code in _BUSY:
        return StoreUnreachable(f"{where} cannot serve now ({what}, {code or status}).")
    if status in (401, 403):
        return StoreRefuses(f"{where} refuses these credentials ({what}, {code}).")
    return StorageError(f"{where} refuses {what} ({code or status}).", hint="Run 'jianzheng doctor'.")
