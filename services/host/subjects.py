"""Map events and commands to the items that they are about, to set aside the cause of a failure."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from dispatcher import commands
from dispatcher.complete import complete
from dispatcher.market.decide.due import entry_of
from dispatcher.market.state import Due
from gig.v1 import events_pb2 as events_pb
from services.host.quarantine import Item, Kind

# Where the bodies of events name the courier, or another person, whose stream they may reach.
_PEOPLE = tuple(
    attrgetter(path)
    for path in (
        *("courier_id", "offer.courier_id", "nudge.courier_id", "job.courier_id"),
        *("change.person_id", "rating.rated_id", "review.subject_id", "flag.courier_id"),
    )
)
KIND_OF_DUE = complete(
    {
        Due.OFFER: Kind.OFFER,
        Due.QUEUE: Kind.JOB,
        Due.QUOTE: Kind.JOB,
        Due.WAIT: Kind.JOB,
        Due.PERIOD: Kind.COURIER,
        Due.STANDING: Kind.PERSON,
        Due.POLICY: Kind.POLICY,
    },
    Due,
    "kinds of items for what is due",
)


def people_of(event: events_pb.Event) -> list[str]:
    """Return the ids of the people whom an event names first."""
    body = getattr(event, event.WhichOneof("body"))
    return [name for name in (_value(read, body) for read in _PEOPLE) if name]


def author_of(command: commands.Command) -> Item:
    """Return the person who gives a command, with the name of its kind."""
    return Item(Kind.PERSON, commands.actor_of(command), type(command).__name__)


def _value(read: attrgetter[str], of: object) -> str:
    try:
        return str(read(of))
    except AttributeError:
        return ""


def job(job_id: str) -> Item:
    return Item(Kind.JOB, job_id)


def courier(courier_id: str) -> Item:
    return Item(Kind.COURIER, courier_id)


def due_item(entry: tuple[Due, str]) -> Item:
    """Return the item of an entry of the due queue."""
    kind, name = entry
    return Item(KIND_OF_DUE[kind], name, kind.name.lower())


def entry_of_item(item: Item) -> tuple[Due, str]:
    """Return the entry of an item; the reverse of ``due_item``."""
    return Due[item.detail.upper()], item.name


def of_offer(event: events_pb.Event) -> list[Item]:
    """Return the jobs and the courier of an offer's event; nothing for other events of a round."""
    match event.WhichOneof("body"):
        case "offer_made":
            offer = event.offer_made.offer
            return [*(job(offered.job_id) for offered in offer.jobs), courier(offer.courier_id)]
        case "offer_answered":
            answered = event.offer_answered
            return [*map(job, answered.job_ids), courier(answered.courier_id)]
    return []


def of_courier(event: events_pb.Event) -> list[Item]:
    """Return the courier whom an event is about, or nothing."""
    return [courier(name) for name in people_of(event)[:1]]


def of_due(event: events_pb.Event) -> Iterable[Item]:
    """Return the due entries that an event settles."""
    found = entry_of(event)
    return () if found is None else [due_item((kind, found[1])) for kind in sorted(found[0])]
