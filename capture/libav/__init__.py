"""What goes through FFmpeg's libraries: RTMP, files, and decoding for looks. PyAV is imported here only.

``demuxer`` turns an opened container into deliveries, by ``pictures`` and ``sound``; ``source`` runs one in a
thread behind ``PacketSource``; ``looks`` decodes and measures for the check-up.
"""
