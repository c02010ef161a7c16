"""What is particular to each contact centre and carrier, as trunk profiles that are data.

May import `tieline.model` and the foundations.
"""
