"""Camera -> packets -> trusted packets -> sealed segments in the ring, and the health of every source.

The way through: ``rtsp`` takes a connection apart into packets, ``run_clock`` and ``decode_order`` make their
times trustworthy, ``fragmenter`` gathers them, ``segment_writer`` seals them, ``recorder`` does so for one
source, ``reconciler`` for all of them. ``docs/design/segments.md`` and ``docs/design/time.md`` say why.
"""
