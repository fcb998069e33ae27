"""The closing engine: facts -> obligations -> difference -> rating -> documents -> rows, in batches of customers.

`close.py` runs a batch from end to end; a preview is the same computation without the last step.
"""
