"""A Kubernetes probe and where its container listens → "" or why it does not pass."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Address = Path | int  # a unix socket, or a port on 127.0.0.1


async def run(probe: Mapping[str, Any], address: Address) -> str:
    seconds = probe.get("timeoutSeconds", 1)
    try:
        async with asyncio.timeout(seconds):
            if "httpGet" in probe:
                return await _http(probe["httpGet"], address)
            _, writer = await _connect(address)
            writer.close()
            return ""
    except TimeoutError:
        return f"probe failed: no answer within {seconds} s"
    except (OSError, ValueError, IndexError) as error:
        return f"probe failed: {error}"


async def _http(wanted: Mapping[str, Any], address: Address) -> str:
    path = wanted.get("path") or "/"
    reader, writer = await _connect(address)
    try:
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: kube-probe/1.34\r\nConnection: close\r\n\r\n".encode()
        )
        status = int((await reader.readline()).split()[1])
    finally:
        writer.close()
    return "" if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if isinstance(address, int):
        return await asyncio.open_connection("127.0.0.1", address)
    return await asyncio.open_unix_connection(str(address))
