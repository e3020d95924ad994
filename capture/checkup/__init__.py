"""The check-up of a room before a session: a few seconds of every source, measured and judged by its kind.

``look`` fetches the seconds, ``capture.libav.looks`` measures them, ``limits`` says as data what is well for
which kind of content and why, ``judge`` compares, ``room`` does so for all sources of a room at once.
"""
