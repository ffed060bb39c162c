"""Prometheus as one tenant sees it: its HTTP API, where every query, series and listing is of the tenant's own namespace."""
