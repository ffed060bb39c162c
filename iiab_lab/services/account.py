"""The account that a program of the platform runs under → a client of the Kubernetes API."""

from __future__ import annotations

from kubernetes import client, config


def connect() -> client.ApiClient:
    """In a cluster the mounted account, elsewhere the kubeconfig that KUBECONFIG names."""
    config.load_config()
    settings = client.Configuration.get_default_copy()
    settings.retries = 3
    return client.ApiClient(settings)
