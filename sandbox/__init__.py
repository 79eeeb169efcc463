"""The platforms, emulated offline: X, Instagram and YouTube answer here as they do at their real addresses.

Stands alone: it imports nothing from the rest of the project, so that a misreading of a platform's
documentation cannot be shared between the service and the thing that checks it.
"""
