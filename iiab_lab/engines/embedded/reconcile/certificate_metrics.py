"""Certificates → cert-manager's metrics of them: until when each is valid, when it is renewed, whether it is ready."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ..objects.conditions import find
from ..objects.kinds import CERTIFICATE
from ..objects.meta import Object
from ..objects.times import seconds
from ..rules.certificates import issuer_of
from .ports import Client

_ISSUER = ("issuer_name", "issuer_kind", "issuer_group")
_TIMES = {
    "not_before": ("notBefore", "When the certificate becomes valid, in seconds since the epoch."),
    "not_after": ("notAfter", "After when the certificate is invalid, in seconds since the epoch."),
    "expiration": ("notAfter", "When the certificate expires, in seconds since the epoch."),
    "renewal": ("renewalTime", "When the certificate is to be renewed, in seconds since the epoch."),
}


class CertificateMetrics(Collector):
    """Counted from what is stored whenever Prometheus asks."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing is asked of a store that is not there yet."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = self._client.list(CERTIFICATE)
        for name, (field, told) in _TIMES.items():
            family = GaugeMetricFamily(
                f"certmanager_certificate_{name}_timestamp_seconds", told, labels=["name", "namespace", *_ISSUER]
            )
            for certificate in found:
                at = (certificate.get("status") or {}).get(field)
                family.add_metric(_labels(certificate), seconds(at) if at else 0)
            yield family
        yield _ready(found)


def _ready(found: list[Object]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "certmanager_certificate_ready_status",
        "The ready status of the certificate.",
        labels=["name", "namespace", *_ISSUER, "condition"],
    )
    for certificate in found:
        status = (find(certificate, "Ready") or {}).get("status", "Unknown")
        for one in ("True", "False", "Unknown"):
            family.add_metric([*_labels(certificate), one], float(one == status))
    return family


def _labels(certificate: Object) -> list[str]:
    meta, (kind, name, group) = certificate["metadata"], issuer_of(certificate["spec"])
    return [meta["name"], meta["namespace"], name, kind, group]
