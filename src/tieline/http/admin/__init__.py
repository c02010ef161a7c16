"""The HTTP admin API, `/v1/admin/...`: what the studio does, for programs: a table of routes to admin functions."""
