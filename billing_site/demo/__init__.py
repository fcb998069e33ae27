"""The demo company: Brightwater Data, its customers, and eight months of what happened between them.

`seed` builds it by the services that everyone else uses, at the times at which things happened, so its books are real.
"""
