"""The lowest package: money, periods, clock, ids and errors; nothing here knows about billing objects."""
