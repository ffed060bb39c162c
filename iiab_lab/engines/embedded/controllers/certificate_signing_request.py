"""An approved CertificateSigningRequest → a client certificate; one that is denied stays without.

Reads:  CertificateSigningRequests.
Writes: status.certificate, or the condition Failed.
Wakes:  on the CertificateSigningRequest.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from ..objects.conditions import condition, is_true
from ..objects.kinds import CSR, Key
from ..objects.meta import Object, key_of
from ..objects.times import rfc3339
from ..reconcile.ports import Client, Clock, Result, Watch

# (certificate request as PEM, seconds it should last) → the certificate as PEM; ValueError where it cannot be signed.
Sign = Callable[[bytes, float], bytes]
_DEFAULT = 24 * 3600


class CertificateSigningRequestController:
    name = "certificatesigningrequest"

    def __init__(self, client: Client, clock: Clock, sign: Sign) -> None:
        self._client, self._clock, self._sign = client, clock, sign
        self.watches = (Watch(CSR, lambda request: [key_of(request)]),)

    async def reconcile(self, key: Key) -> Result | None:
        request = self._client.get(CSR, key)
        status = (request or {}).get("status") or {}
        if (
            request is None
            or status.get("certificate")
            or not is_true(request, "Approved")
            or is_true(request, "Failed")
        ):
            return None
        seconds = request["spec"].get("expirationSeconds") or _DEFAULT
        try:
            certificate = self._sign(base64.b64decode(request["spec"]["request"]), float(seconds))
            signed: Object = {"certificate": base64.b64encode(certificate).decode()}
        except ValueError as error:
            now = rfc3339(self._clock.now())
            failed = condition("Failed", True, "SignerValidationFailure", str(error), now=now)
            signed = {"conditions": [*status["conditions"], failed]}
        await self._client.set_status(CSR, key, status | signed)
        return None
