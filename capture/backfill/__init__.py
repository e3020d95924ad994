"""Back-fill: a gap is fetched afterwards from the device's own memory, and stays visible as a gap."""
