"""Dates and times as ISO 8601 writes them, and no other way: 01/02/2026 is January to one reader, February to another,
and a period's edge a month off is a wrong invoice."""

DATE_INPUT_FORMATS = ["%Y-%m-%d"]
TIME_INPUT_FORMATS = ["%H:%M:%S", "%H:%M"]
DATETIME_INPUT_FORMATS = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
