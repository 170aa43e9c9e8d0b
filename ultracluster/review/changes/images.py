"""Image repositories: which images expire."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ultracluster.review.changes.change import Danger
from ultracluster.review.changes.rules import Edit, Effect, when_changed
from ultracluster.review.changes.sources import IMAGES
from ultracluster.review.changes.values import known_text


@when_changed("AWS::ECR::Repository")
def images_expire(edit: Edit) -> Iterator[Effect]:
    if not edit.touches("LifecyclePolicy"):
        return
    before, after = edit.both("LifecyclePolicy", "LifecyclePolicyText")
    was, now = _kept(before), _kept(after)
    if after is None:
        yield Effect(Danger.COSTS_MORE, "images no longer expire", IMAGES)
    elif now is None or (before is not None and was is None):
        yield Effect(Danger.CANNOT_TELL, "which images expire cannot be read", IMAGES)
    elif was is not None and all(name in was and was[name] <= now[name] for name in now):
        yield Effect(Danger.COSTS_MORE, "images are kept longer or in greater number", IMAGES)
    else:
        yield Effect(Danger.LOSES_DATA, "images expire sooner, or more of them", IMAGES)


def _kept(policy: Any) -> Mapping[str, int] | None:
    """Return how many images or days each selection of a policy keeps, None if not readable."""
    try:
        selections = [rule["selection"] for rule in json.loads(known_text(policy) or "")["rules"]]
        return {
            json.dumps({k: v for k, v in each.items() if k != "countNumber"}): int(
                each["countNumber"]
            )
            for each in selections
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
