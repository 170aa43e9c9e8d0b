"""Who reaches whom on which port, as security groups say."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Party:
    """One end of a connection."""

    kind: Literal["group", "cidr", "prefix list", "unknown"]
    name: str
    """In words: the construct of a group, a block, a prefix list."""
    key: str
    """`stack/logical id` of a group, else what is written."""


@dataclass(frozen=True)
class Passage:
    """What one side of a security group lets pass."""

    group: Party
    """Whose rule it is."""
    direction: Literal["in", "out"]
    peer: Party
    """From whom, or to whom; the group itself where it admits its own members."""
    protocol: str
    """`tcp`, `udp`, `icmp`, or `all`."""
    ports: str
    """`988`, `1018-1023` or `all`."""
    description: str
    stack: str
    resource: str
    """Logical id of the resource that the rule is written in."""
    answered: bool | None
    """Whether the other group lets it pass as well; None where the peer is no group of the
    templates."""
    marks: tuple[str, ...] = ()
    """`anywhere` for the whole internet, `everything` for all protocols, `itself` for the group's
    own members, `nothing` for a rule that only closes a group."""

    @property
    def itself(self) -> bool:
        """Whether the peer is the group."""
        return self.group == self.peer


@dataclass(frozen=True)
class Matrix:
    """Every passage, and the parties in the order in which a table shows them."""

    groups: tuple[Party, ...]
    peers: tuple[Party, ...]
    passages: tuple[Passage, ...]

    def between(self, group: Party, peer: Party) -> tuple[Passage, ...]:
        """Return what a group lets pass from and to a party."""
        return tuple(p for p in self.passages if p.group == group and p.peer == peer)
