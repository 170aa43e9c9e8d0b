"""Every kind of environment, synthesized once."""

from collections.abc import Callable
from functools import cache

import pytest

from tests.stacks.synthesized import VARIANTS, Synthesis, synthesize


@pytest.fixture(scope="session")
def synthesis(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Synthesis]:
    """Return the synthesis of an environment by its name."""

    @cache
    def of(name: str) -> Synthesis:
        return synthesize(VARIANTS[name], tmp_path_factory.mktemp(name))

    return of
