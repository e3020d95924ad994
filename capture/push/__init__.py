"""Devices that call us: an RTSP server that takes ANNOUNCE and RECORD (RFC 2326, 10.3 and 10.11)."""
