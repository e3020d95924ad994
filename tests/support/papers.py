"""Documents as people hand them in, whole and spoilt, for tests of taking them in."""

from __future__ import annotations

import io
import zipfile
import zlib

import cv2
import numpy as np
from openpyxl import Workbook


def pdf(extra: bytes = b"", text: bytes = b"") -> bytes:
    """A PDF of one empty page; ``extra`` goes into its catalogue."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R " + extra + b" >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
    ]
    out, places = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def packed_pdf(inside: bytes) -> bytes:
    """A PDF with an object stream that holds something."""
    packed = zlib.compress(inside)
    stream = b"<< /Type /ObjStm /N 1 /First 4 /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)
    whole = pdf()
    start = whole.index(b"xref\n")
    body = whole[:start] + b"9 0 obj\n" + stream + b"\nendobj\n"
    return body + whole[start : whole.index(b"startxref")] + b"startxref\n%d\n%%%%EOF\n" % len(body)


def image(suffix: str = ".png", size: int = 40) -> bytes:
    picture = np.arange(size * size, dtype=np.uint32).astype(np.uint8).reshape(size, size)
    return bytes(cv2.imencode(suffix, picture)[1])


def zipped(parts: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def ofd(**more: bytes) -> bytes:
    entry = b'<?xml version="1.0"?><ofd:OFD xmlns:ofd="http://www.ofdspec.org/2016" Version="1.1"/>'
    return zipped({"OFD.xml": entry, "Doc_0/Document.xml": b"<ofd:Document/>", **more})


def xlsx(**more: bytes) -> bytes:
    book = Workbook()
    book.active["A1"] = "投标人"
    file = io.BytesIO()
    book.save(file)
    with zipfile.ZipFile(file, "a") as archive:
        for name, content in more.items():
            archive.writestr(name, content)
    return file.getvalue()
