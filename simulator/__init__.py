"""A simulated trading centre: painted scenes or the user's own footage, served by real RTSP.

For demo, training and tests. ``centre.SimulatedCentre`` is the way in; ``run.run`` is the command.
"""
