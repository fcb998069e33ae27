"""The official OpenMeter clients against our running server, by their documented calls and unpatched."""
