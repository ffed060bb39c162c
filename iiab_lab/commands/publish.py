"""`iiab publish`, `iiab unpublish`, `iiab keys`: the management service's publishing from a terminal."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from ..errors import ApiError
from ..target import Target
from ..traffic.management import Management

_out, _err = Console(highlight=False), Console(stderr=True)


def publish(model: str, tenant: str, config: dict[str, Any], as_json: bool) -> None:
    """Publishes; a model that is published already is changed to what is said."""
    management = _management(tenant)
    try:
        said = management.publish(model, tenant, **config)
        details, key = said.details, said.key
    except ApiError as error:
        if error.code != 409 or "published" not in error.message:
            raise
        details, key = management.change(model, **config), ""
    if as_json:
        print(json.dumps({name: value for name, value in details.items() if name != "documentation"}, indent=2))
        return
    _err.print(
        f"[bold green]Published[/] {details['externalUrl']}"
        if key
        else f"[bold green]Changed[/] {details['externalUrl']}"
    )
    if key:
        _err.print("The key, shown this once:")
        print(key)
    _err.print(f"\nTry it:\n{details['documentation']['sdkExamples']['curl']}", highlight=False, soft_wrap=True)


def unpublish(model: str, tenant: str) -> None:
    _management(tenant).unpublish(model)
    _err.print(f"Unpublished {model}: its routes, limits and keys are gone.")


def keys(model: str, tenant: str, add: str, rotate: str, revoke: str, overlap: int) -> None:
    """Lists; or adds, rotates or revokes one and prints the new key."""
    management = _management(tenant)
    if add:
        print(management.add_key(model, add)["apiKey"])
    elif rotate:
        said = management.rotate_key(model, "" if rotate == "latest" else rotate, overlap)
        _err.print(f"The old key opens for {said['oldKeyValidForSeconds']} more seconds. The new one, shown this once:")
        print(said["newApiKey"])
    elif revoke:
        management.revoke_key(model, revoke)
        _err.print(f"Revoked {revoke}.")
    else:
        _out.print(_table(management.keys(model)))


def _management(tenant: str) -> Management:
    return Management(Target.connect(), tenant)


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table("id", "owner", "created", "expires", "last used", box=None, pad_edge=False)
    for key in found:
        table.add_row(key["keyId"], key["owner"], key["createdAt"], key["expiresAt"] or "–", key["lastUsed"] or "–")
    return table
