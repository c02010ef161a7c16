"""The admin API, `/v1/admin/...`: the admin functions by HTTP, for keys with the scope `admin`.

A route is declared in `nouns/` by a function (`declaration`), whose query and body are records (`shapes`). `routes` has
them all. `app` lets somebody in and answers; `checks` reads what was asked; `openapi` says all of it to programs.
"""
