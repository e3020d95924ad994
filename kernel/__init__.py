"""The ground every room stands on: clock, ranges, ids, errors, settings, logging, value types, MP4 boxes.

Imports nothing of ours, and no ``av``, SQL, HTTP or S3 (``docs/design/flow.md``).
"""
