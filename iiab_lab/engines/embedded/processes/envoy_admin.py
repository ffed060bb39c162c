"""One Envoy's admin socket → the few numbers that tell whether a configuration is in force."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

_STAT = re.compile(r'^(\S.*?): "?(.*?)"?$', re.MULTILINE)
# An Envoy of a thousand clusters has a hundred thousand statistics: to look through them all holds it up, those of one type less.
EVERYTHING = r"/stats?filter=(version_text|update_rejected|warming_clusters|total_listeners_warming)$"
VERSIONS = "/stats?type=TextReadouts&filter=version_text$"
WARMING = "/stats?type=Gauges&filter=(warming_clusters|total_listeners_warming)$"


class Gone(Exception):
    """No Envoy answers on the socket."""


async def stats(socket: Path, which: str = EVERYTHING) -> dict[str, str]:
    """Names → values; raises Gone where no Envoy answers."""
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(f"GET {which} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
                answer = (await reader.read()).decode()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        raise Gone(str(error)) from error
    return {found[1]: found[2] for found in _STAT.finditer(answer.partition("\r\n\r\n")[2])}


def rejected(found: dict[str, str]) -> int:
    """How often it refused an update, but for secrets: nobody waits for those."""
    counted = (
        value for name, value in found.items() if name.endswith("update_rejected") and not name.startswith("sds.")
    )
    return sum(map(int, counted))


def warming(found: dict[str, str]) -> bool:
    return (
        found.get("cluster_manager.warming_clusters") != "0"
        or found.get("listener_manager.total_listeners_warming") != "0"
    )


def versions(found: dict[str, str]) -> dict[str, str]:
    """`cds`, `lds`, and each route table, filter and endpoint set by name → the version in force."""
    seen = {
        "cds": found.get("cluster_manager.cds.version_text", ""),
        "lds": found.get("listener_manager.lds.version_text", ""),
    }
    for name, value in found.items():
        if table := re.fullmatch(r"http\..*?\.rds\.(.*)\.version_text", name):
            seen[f"routes/{table[1]}"] = value
        elif extension := re.fullmatch(r".*extension_config_discovery\.http_filter\.(.*)\.version_text", name):
            seen[f"filters/{extension[1]}"] = value
        elif cluster := re.fullmatch(r"cluster\.(.*)\.version_text", name):
            seen[f"endpoints/{cluster[1]}"] = value
    return seen
