"""Numbers & Pools: all pools, one pool, its numbers and reservations, its forecast, import, and trying it out."""
