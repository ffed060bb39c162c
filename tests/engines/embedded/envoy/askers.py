"""Whom the edge itself asks: a server of key sets, and authorizers over HTTP and gRPC, each in a thread of this process."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

# CheckResponse{status: {code}}: 0 is OK, 7 PERMISSION_DENIED.
_ALLOWED, _DENIED = b"", b"\x0a\x02\x08\x07"


class Issuer:
    """An issuer with as many keys as one likes; the latest signs unless another is named."""

    def __init__(self, name: str, keys: int = 1) -> None:
        self.name = name
        made = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(keys))
        self._keys = {f"{name}-{number}": key for number, key in enumerate(made, 1)}

    def jwks(self, *only: int) -> str:
        """Of the keys of these numbers, else of all."""
        found = {kid: key for number, (kid, key) in enumerate(self._keys.items(), 1) if number in (only or (number,))}
        algorithm = jwt.algorithms.RSAAlgorithm
        keys = [algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in found.items()]
        return json.dumps({"keys": [key | {"use": "sig", "alg": "RS256"} for key in keys]})

    def token(self, key: int = 0, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """`exp=None` leaves the claim out, and so for each."""
        kid = f"{self.name}-{key or len(self._keys)}"
        said = {"iss": f"https://{self.name}", "aud": "models", "sub": "bob", "exp": int(time.time()) + 600} | claims
        payload = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(payload, self._keys[kid], "RS256", headers={"kid": kid, **(header or {})})


class Asked(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server:
    """Answers over HTTP as `answer` says, and remembers what it was asked."""

    def __init__(self, port: int, answer: Callable[[Asked], tuple[int, dict[str, str], str]]) -> None:
        self.seen: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                outer.seen.append(asked)
                status, headers, text = answer(asked)
                self.send_response(status)
                self.close_connection = True  # who is stopped answers nobody any more
                for name, value in {**headers, "connection": "close", "content-length": str(len(text))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = do_PUT = handle_one

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def over_http(port: int, answer: Callable[[Asked], tuple[int, dict[str, str], str]]) -> Iterator[Server]:
    server = Server(port, answer)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def over_grpc(port: int, allows: Callable[[bytes], bool]) -> Iterator[None]:
    """`allows` is shown the CheckRequest as it was written on the wire."""

    def check(request: bytes, _: grpc.ServicerContext) -> bytes:
        return _ALLOWED if allows(request) else _DENIED

    server = grpc.server(ThreadPoolExecutor(2))
    methods = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    handler = grpc.method_handlers_generic_handler("envoy.service.auth.v3.Authorization", methods)
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()
