"""Webhooks: the endpoints, one endpoint with its deliveries, and one delivery with its attempts."""
