"""The HTTP admin API, `/v1/admin/...`: what the studio does, for programs. One table of routes over the admin functions."""
