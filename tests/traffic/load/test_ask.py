"""Whom the generator trusts is what its file says now, not what it said at the start."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from pathlib import Path

import aiohttp.web

from iiab_lab.engines.embedded.rules import pki
from iiab_lab.traffic.load.ask import Answer, Asking
from iiab_lab.traffic.load.call import Call


def ca(name: str) -> pki.Authority:
    made = pki.issue(pki.Request(3600, common_name=name, is_ca=True, usages=("cert sign",)), None, time.time())
    return pki.Authority(made.chain, made.key, made.root)


def shows(by: pki.Authority, folder: Path) -> ssl.SSLContext:
    request = pki.Request(3600, dns_names=("localhost",), usages=("digital signature", "server auth"))
    made = pki.issue(request, by, time.time())
    (folder / "shown.pem").write_text(made.chain + made.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "shown.pem")
    return context


def test_a_root_that_comes_into_the_file_is_trusted_by_the_next_connection(tmp_path: Path) -> None:
    old, new, file = ca("old"), ca("new"), tmp_path / "ca.crt"
    file.write_text(old.root)

    async def answer(request: aiohttp.web.BaseRequest) -> aiohttp.web.Response:
        return aiohttp.web.Response(headers={"Connection": "close"})

    async def play() -> tuple[Answer, Answer]:
        runner = aiohttp.web.ServerRunner(aiohttp.web.Server(answer))
        await runner.setup()
        site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0, ssl_context=shows(new, tmp_path))
        await site.start()
        port = runner.addresses[0][1]
        async with Asking(Call(f"https://localhost:{port}/", "", ca=str(file)), 1) as ask:
            first = await ask(5)
            file.write_text(new.root + old.root)
            os.utime(file, (1, 1))  # another moment, however coarse the clock
            second = await ask(5)
        await runner.cleanup()
        return first, second

    first, second = asyncio.run(play())
    assert (first.error, second.status) == ("certificate not trusted", 200)
