"""A certificate of any identity: a server that trusts the CA sees that identity, one that does not sees nothing."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509

from iiab_lab.scenarios.security import mesh, wire

AUTHORITY = mesh.stranger()


def served(tmp_path: Path) -> tuple[tuple[str, int], list[str]]:
    """A TLS server of one connection that asks for a certificate of AUTHORITY → its address, and the names it was shown."""
    own = tmp_path / "server.pem"
    own.write_bytes(mesh._issued(AUTHORITY, "spiffe://cluster.local/ns/x/sa/server"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    context.load_verify_locations(cadata=AUTHORITY.root.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    listener, seen = socket.create_server(("127.0.0.1", 0)), list[str]()

    def run() -> None:
        with listener, listener.accept()[0] as plain:
            try:
                link = context.wrap_socket(plain, server_side=True)
            except OSError:
                return
            with link:
                shown = x509.load_der_x509_certificate(link.getpeercert(True) or b"")
                names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                seen.extend(names.get_values_for_type(x509.UniformResourceIdentifier))
                link.recv(1024)
                link.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    threading.Thread(target=run, daemon=True).start()
    return listener.getsockname(), seen


@pytest.mark.parametrize("identity", [mesh.INGRESS, mesh.TENANT_B])
def test_the_identity_is_shown(tmp_path: Path, identity: str) -> None:
    address, seen = served(tmp_path)
    reply = wire.exchange(address, b"x", mesh.context(AUTHORITY, identity, AUTHORITY.root), "server")
    assert (reply.status, seen) == ("204", [identity])


@pytest.mark.parametrize("authority", [mesh.stranger(), None], ids=["of another CA", "none"])
def test_what_the_ca_did_not_sign_is_refused(tmp_path: Path, authority: mesh.Authority | None) -> None:
    address, seen = served(tmp_path)
    context = mesh.context(authority or AUTHORITY, mesh.INGRESS if authority else "", AUTHORITY.root)
    assert (wire.exchange(address, b"x", context, "server").status, seen) == (wire.CLOSED, [])
