"""The traffic of a Knative Service or Route → completed with defaults, and what upstream's webhook refuses of it.

Source: knative/serving, pkg/apis/serving/v1/route_{defaults,validation}.go. A problem is (field path, message), as
`autoscaling.annotations.text` writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..objects.meta import Object

PATH = "spec.traffic"
Problem = tuple[str, str]
# What a Service without traffic of its own says.
EVERYTHING: list[Object] = [{"latestRevision": True, "percent": 100}]

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_MOST = 63
_NO_LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end "
    "with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_TOO_LONG = f"must be no more than {_LABEL_MOST} characters"


def completed(traffic: Iterable[Object]) -> list[Object]:
    """Each target says its percent, and whether it follows the latest revision."""
    return [{"latestRevision": not target.get("revisionName"), "percent": 0, **target} for target in traffic]


def problems(traffic: list[Object], in_service: bool) -> Iterator[Problem]:
    """`traffic` is completed. A Service's targets mean its own Configuration, a Route's name one."""
    for index, target in enumerate(traffic):
        at = f"{PATH}[{index}]"
        yield from _latest(target, at)
        yield from _named(target, at, in_service)
        if not 0 <= target["percent"] <= 100:
            yield f"{at}.percent", f"expected 0 <= {target['percent']} <= 100"
        if "url" in target:
            yield f"{at}.url", "must not set the field(s)"
    yield from _tags(traffic)
    total = sum(target["percent"] for target in traffic)
    if total != 100:
        yield PATH, f"Traffic targets sum to {total}, want 100"


def no_label(text: str) -> str:
    """Why it cannot be part of a host's name, or ""."""
    wrong = [(not _LABEL.fullmatch(text), _NO_LABEL), (len(text) > _LABEL_MOST, _TOO_LONG)]
    return " ".join(said for holds, said in wrong if holds)


def _latest(target: Object, at: str) -> Iterator[Problem]:
    name, latest = target.get("revisionName", ""), target["latestRevision"]
    if bool(name) == latest:
        said = f'may not set revisionName "{name}" when latestRevision is {str(latest).lower()}'
        yield f"{at}.latestRevision", said


def _named(target: Object, at: str, in_service: bool) -> Iterator[Problem]:
    both = (f"{at}.revisionName", f"{at}.configurationName")
    revision, configuration = target.get("revisionName"), target.get("configurationName")
    if in_service:
        if configuration:
            yield both[1], "must not set the field(s)"
    elif bool(revision) == bool(configuration):
        said = "expected exactly one, got both" if revision else "expected exactly one, got neither"
        yield from ((path, said) for path in both)


def _tags(traffic: list[Object]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, target in enumerate(traffic):
        tag = target.get("tag")
        if not tag:
            continue
        if wrong := no_label(tag):
            yield f"{PATH}.tag[{index}]", f"invalid value: not a DNS 1035 label: [{wrong}]"
        if tag in seen:
            for which in (seen[tag], index):
                yield f"{PATH}[{which}].tag", f'Multiple definitions for "{tag}"'
        else:
            seen[tag] = index
