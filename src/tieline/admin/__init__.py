"""What people and programs do to a running server, one noun a file.

The HTTP admin API, the studio and the commands all go through these functions. Each takes first who acts; rights,
accounts and the audit log are seen to here.
"""
