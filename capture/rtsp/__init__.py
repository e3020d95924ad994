"""Our own RTSP 1.0 client (RFC 2326) over one TCP connection, and what comes through it: RTP and RTCP."""
