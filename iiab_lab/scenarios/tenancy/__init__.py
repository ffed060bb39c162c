"""Tenants try to reach, to crowd out and to slow down each other: each attempt counted, each with its control."""
