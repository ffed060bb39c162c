"""The table of what happens to writes of single kinds, in order."""

from __future__ import annotations

from ...objects.kinds import NAMESPACE, POD, SECRET, SERVICE, Kind
from . import Plugin, defaults, sidecar, storage_initializer

PLUGINS: dict[Kind, tuple[Plugin, ...]] = {
    NAMESPACE: (defaults.namespace,),
    POD: (defaults.pod, storage_initializer.add, sidecar.inject),
    SECRET: (defaults.secret,),
    SERVICE: (defaults.service,),
}
