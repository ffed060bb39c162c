"""Envoy's global rate limit service: descriptors of a request in, OK or OVER_LIMIT out (envoy.service.ratelimit.v3)."""
