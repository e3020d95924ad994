"""ONVIF devices: what they are, where their streams, their memory and their events are.

SOAP is written and read here, without ``zeep``: it refuses replies that real devices send, knows neither
Media2 nor HTTP digest, and would cost every recording process some 45 MB (seen with onvif-zeep-async 4.3).
"""
