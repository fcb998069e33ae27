"""The ground floor: money, periods, clock, ids and errors; nothing here knows about billing objects."""
