"""A process that writes until it is killed: `python -m … FOLDER SEED`. It says what it is about to do, and what was done.

Each line is `try NAME VALUE` or `ack NAME VALUE REVISION`; the value of a deletion is 0.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import Any

from iiab_lab.engines.embedded.objects.kinds import CONFIG_MAP, NAMESPACE, Key
from iiab_lab.engines.embedded.store.registry import Registry
from iiab_lab.engines.embedded.store.store import Store

WRITERS, NAMES = 8, 3


async def opened(folder: Path) -> Store:
    store = await Store.open(folder / "store.db", Registry.load())
    if store.get(NAMESPACE, Key("", "here")) is None:
        await store.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "here"}})
    return store


def config_map(name: str, value: int, padding: int = 0) -> dict[str, Any]:
    """Its parts say the same, so half of one would show."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "here", "annotations": {"value": str(value)}},
        "data": {"first": str(value), "padding": str(value) * padding, "last": str(value)},
    }


def value_of(obj: dict[str, Any]) -> int:
    first, padding, last = (obj["data"][part] for part in ("first", "padding", "last"))
    assert first == last == obj["metadata"]["annotations"]["value"] and padding.replace(first, "") == "", obj
    return int(first)


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # one call: a line is said whole or not at all


async def write(store: Store, number: int, chance: random.Random) -> None:
    while True:
        name = f"w{number}-{chance.randrange(NAMES)}"
        exists = store.get(CONFIG_MAP, Key("here", name)) is not None
        value = 0 if exists and chance.random() < 0.3 else store.revision * WRITERS + number + 1
        say("try", name, value)
        if not value:
            done = await store.delete(CONFIG_MAP, Key("here", name))
        else:
            size = chance.choice([10, 100, 20_000])
            verb = store.update if exists else store.create
            done = await verb(CONFIG_MAP, config_map(name, value, size))
        say("ack", name, value, done.revision)


async def main(folder: Path, seed: int) -> None:
    store, chance = await opened(folder), random.Random(seed)
    await asyncio.gather(*(write(store, number, chance) for number in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
