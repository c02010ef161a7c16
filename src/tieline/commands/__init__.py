"""The sub-commands of `tieline`, one module a subject.

Each imports what it needs only when it runs, so that help is quick.
"""
