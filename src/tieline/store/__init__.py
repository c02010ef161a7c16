"""Where reservations, calls and outcomes are kept; every engine passes one contract suite.

May import `tieline.model` and the foundations. Other packages import `tieline.store.base` only.
"""
