"""ONVIF devices: what they are, where their streams, their memory and their events are.

SOAP is written and read here, without ``zeep``: a device's replies are read by the names of their elements,
not by a schema that half of the devices break, and a recording process stays small (``docs/design/onvif.md``).
"""
