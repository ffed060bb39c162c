"""What the tests of spoilt objects share: odd words, whether the API took an object, and a watch over the good ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from typing import Any

import aiohttp

from iiab_lab.engines.embedded.objects.meta import Object
from iiab_lab.engines.embedded.reconcile.local_client import LocalClient
from iiab_lab.errors import ApiError

SPOILT, GOOD, SEED = 200, 20, 20261125
Spoil = Callable[[random.Random], Any]
Answer = Callable[[str], str]


def text(dice: random.Random, letters: str = "abcdefgh") -> str:
    return "".join(dice.choices(letters, k=dice.randint(3, 9)))


def timeless(obj: Object) -> Object:
    obj["metadata"].pop("creationTimestamp", None)
    return obj


async def created(client: LocalClient, obj: Object, codes: Collection[int]) -> bool:
    """Or refused, with one of these codes."""
    try:
        await client.create(obj)
    except ApiError as error:
        assert error.code in codes, error.message
        return False
    return True


async def asked(session: aiohttp.ClientSession, port: int, name: str) -> str:
    async with session.get(f"http://127.0.0.1:{port}/", headers={"Host": f"{name}.example.org"}) as response:
        return f"{response.status} {await response.text()}"


async def asked_or_down(session: aiohttp.ClientSession, port: int, name: str) -> str:
    try:
        return await asked(session, port, name)
    except aiohttp.ClientError:
        return "down"


async def until_served(session: aiohttp.ClientSession, port: int, name: str, answer: Answer) -> None:
    async with asyncio.timeout(30):
        while await asked_or_down(session, port, name) != answer(name):
            await asyncio.sleep(0.01)


async def watch(
    session: aiohttp.ClientSession, port: int, names: Sequence[str], answer: Answer, wrong: list[str]
) -> None:
    """Asks one after the other, for ever; what is not the answer that belongs to a name is noted in `wrong`."""
    while True:
        for name in names:
            if (got := await asked_or_down(session, port, name)) != answer(name):
                wrong.append(f"{name}: {got}")
            await asyncio.sleep(0.002)
