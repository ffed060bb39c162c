"""Autoscaling annotations, traffic, and the ConfigMaps config-autoscaler and config-gc on their way in → or 400, in the words of Knative's webhooks.

Source: knative/serving, cmd/webhook and pkg/apis/serving; that a webhook denied it, the API server puts before. KServe lets
an InferenceService through whose Knative Service is refused later, where nobody looks; here it is refused itself.
"""

from __future__ import annotations

from collections.abc import Callable

from .....errors import ApiError
from ...objects.kinds import CONFIG_MAP, KNATIVE_SERVICE, Key
from ...objects.meta import Object, annotations_of, key_of
from ...rules import knative_names, knative_targets, kserve, revision_gc
from ...rules.autoscaling import annotations as autoscaling
from ...rules.autoscaling.config import KEY, Config
from . import Admit, Reader

_READ: dict[Key, Callable[[Object], object]] = {KEY: Config.of, revision_gc.KEY: revision_gc.Config.of}
_RESOURCES, _CONFIGS = "validation.webhook.serving.knative.dev", "config.webhook.serving.knative.dev"
_OWN, _TEMPLATES = "metadata.annotations", "spec.template.metadata.annotations"
_MISPLACED = f'autoscaling annotations must be put under "{_TEMPLATES}" to work'


def config(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None and (read := _READ.get(key_of(obj))):
        try:
            read(obj)
        except ValueError as error:
            raise _denied(_CONFIGS, str(error)) from None
    return obj


def template(admit: Admit) -> Object | None:
    """A Service or a Configuration: the settings are its template's, its own would do nothing."""
    obj = admit.object
    if obj is not None and not admit.subresource:
        template, before = obj["spec"].get("template") or {}, ((admit.old or {}).get("spec") or {}).get("template")
        given = (template.get("metadata") or {}).get("annotations") or {}
        named = list(knative_names.problems(obj["metadata"]["name"], template, before))
        wrong = [(f"{_TEMPLATES}.{key}", said) for key, said in _problems(admit.reader, given)]
        strangers = [key for key in annotations_of(obj) if key.startswith(autoscaling.GROUP)]
        wrong += [(f"{_OWN}\n{_MISPLACED}", f'invalid key name "{key}"') for key in strangers]
        _require(wrong + named)
    return obj


def traffic(admit: Admit) -> Object | None:
    """A Service or a Route: each target is completed, and they make a whole."""
    obj = admit.object
    if obj is None or admit.subresource:
        return obj
    in_service = admit.kind == KNATIVE_SERVICE
    given = obj["spec"].get("traffic") or (knative_targets.EVERYTHING if in_service else [])
    targets = knative_targets.completed(given)
    _require(list(knative_targets.problems(targets, in_service)))
    return {**obj, "spec": {**obj["spec"], "traffic": targets}}


def revision(admit: Admit) -> Object | None:
    obj = admit.object
    if obj is not None and not admit.subresource:
        _require([(f"{_OWN}.{key}", said) for key, said in _problems(admit.reader, annotations_of(obj))])
    return obj


def inference_service(admit: Admit) -> Object | None:
    """Its own annotations, and those that its minReplicas, maxReplicas, scaleTarget and scaleMetric become."""
    obj = admit.object
    if obj is None or admit.subresource:
        return obj
    given = annotations_of(obj)
    if kserve.mode(obj) == kserve.KNATIVE:
        given = kserve.autoscaling(obj, given)
        _require([(f"{_OWN}.{key}", said) for key, said in _problems(admit.reader, given)])
    return obj


def _problems(reader: Reader, given: autoscaling.Annotations) -> list[autoscaling.Problem]:
    return autoscaling.problems(given, Config.of(reader.read(CONFIG_MAP, KEY)))


def _require(wrong: list[autoscaling.Problem]) -> None:
    if wrong:
        raise _denied(_RESOURCES, autoscaling.text(wrong))


def _denied(webhook: str, why: str) -> ApiError:
    return ApiError(400, "BadRequest", f'admission webhook "{webhook}" denied the request: validation failed: {why}')
