"""A courier's session: what was sent down, numbered by the log, so that a cut stream resumes without loss."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from time import monotonic

from dispatcher.decisions import sentences
from dispatcher.decisions.privacy import offer_for_courier
from dispatcher.errors import TakenOver
from dispatcher.ids import pack, unpack
from dispatcher.market.plausibility import FLAG_FOLLOWS, flag_sentence
from dispatcher.pay.ledger import courier_amount
from dispatcher.redaction import Erased, redacted
from gig.v1 import courier_service_pb2 as courier_pb
from gig.v1 import events_pb2 as events_pb
from services.host.applied import HELD_JOB, Applied
from services.host.takeovers import FIRST_BACKOFF_S, Takeovers

# Messages down that are kept for a courier who may come back.
KEPT = 64
# Messages that may wait for a reader who does not read; then the stream is ended, and can be resumed.
LARGEST_QUEUE = 256
# An event causes at most this many messages, numbered sequence * SPREAD + 0, 1, ...
SPREAD = 8

Message = courier_pb.ConnectResponse


# The notice of the phone that stays.
OTHER_PHONE = courier_pb.Notice(
    text="Another phone was connected for you and has been disconnected. If you do not know it, change your password.",
    device=courier_pb.DeviceNotice(trouble=courier_pb.DEVICE_TROUBLE_OTHER_PHONE),
)
# Decisions that their person gets as a notice at once.
NOTICES = frozenset({"standing_changed", "rating_revised", "review_decided", "progress_flagged"})
# Events that the courier's stream reports.
REPORTED = HELD_JOB | {"offer_made", "offer_answered", "courier_offline", "nudge_sent"} | NOTICES


class Stream:
    """The down side of one connection. ``overflow`` is set when its reader does not read.

    Nothing is queued before ``open``: the session keeps what comes meanwhile, and the welcome goes first.
    """

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Message | None] = asyncio.Queue(LARGEST_QUEUE)
        self.overflow = asyncio.Event()
        # Another connection of the same courier has taken over; this one may come back after ``retry_s``.
        self.taken_over = asyncio.Event()
        self.retry_s = 0.0
        # Sent after the welcome.
        self.welcome_notice: courier_pb.Notice | None = None
        self._open = False

    @property
    def is_open(self) -> bool:
        return self._open

    def open(self) -> None:
        self._open = True

    def send(self, message: Message) -> None:
        self._put(message)

    def end(self) -> None:
        """End the stream in order: what is queued is sent first."""
        self._put(None)

    def _put(self, message: Message | None) -> None:
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.overflow.set()


class CourierSession:
    def __init__(self, courier_id: str, session_id: str) -> None:
        self.courier_id = courier_id
        self.session_id = session_id
        # The highest number of the courier's messages that has been handled.
        self.handled = 0
        self.stream: Stream | None = None
        self._kept: deque[Message] = deque(maxlen=KEPT)

    @property
    def token(self) -> str:
        """For Hello: the session and whose it is."""
        packed = base64.urlsafe_b64encode(pack((self.session_id, self.courier_id)))
        return f"2.{packed.decode().rstrip('=')}"

    def send(self, message: Message) -> None:
        """Down the stream, and into memory for a resume."""
        self._kept.append(message)
        if self.stream is not None and self.stream.is_open:
            self.stream.send(message)

    def attach(self, stream: Stream) -> None:
        """Make this the courier's stream; there must be no other."""
        self.stream = stream

    def detach(self, retry_s: float) -> None:
        """End the stream for another connection; its app may connect again after ``retry_s`` seconds."""
        if self.stream is not None:
            self.stream.retry_s = retry_s
            self.stream.taken_over.set()
            self.stream = None

    def redact(self, erased: Erased) -> None:
        for message in self._kept:
            if message.HasField("job") and message.job.client_id == erased.person_id:
                redacted(message, erased)

    def missed(self, last_received: int) -> list[Message]:
        return [message for message in self._kept if message.number > last_received]


class Sessions:
    """The sessions of all couriers; one connection of a courier is open at a time. ``clock``: monotonic seconds.

    ``taken_over``: how often a connection took over from an open one; ``kept_off``: how often one was refused that.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._by_courier: dict[str, CourierSession] = {}
        self._takeovers: dict[str, Takeovers] = {}
        self.taken_over = self.kept_off = 0

    def open(self, courier_id: str, token: str, stream: Stream) -> CourierSession:
        """Return the session that the token names, also after a restart of the service; without one, a new session.

        The stream is its stream from here on, and one that is open ends: of connections at the same moment exactly one
        stays. Raises TakenOver where connections of this courier have ended each other a moment ago.
        """
        kept = self._by_courier.get(courier_id)
        session_id = _session_id(token, courier_id)
        same = kept is not None and kept.session_id == session_id
        if kept is not None and kept.stream is not None:
            self._take_over(kept, stream, same_session=same)
        if kept is None or not same:
            kept = CourierSession(courier_id, session_id or secrets.token_hex(8))
            self._by_courier[courier_id] = kept
        kept.attach(stream)
        return kept

    def _take_over(self, kept: CourierSession, stream: Stream, *, same_session: bool) -> None:
        """End the open stream for the new one. Raises TakenOver where that would come too soon."""
        now_s = self._clock()
        takeovers = self._takeovers.setdefault(kept.courier_id, Takeovers())
        row = takeovers.row(same_session=same_session)
        if wait_s := row.wait_s(now_s):
            self.kept_off += 1
            text = f"another connection of this courier is open: connect again in {wait_s:.0f} s to take over from it"
            raise TakenOver(text, wait_s)
        row.add(now_s)
        self.taken_over += 1
        kept.detach(row.wait_s(now_s) or FIRST_BACKOFF_S)
        if not same_session:
            stream.welcome_notice = OTHER_PHONE

    def connected(self, courier_id: str) -> bool:
        session = self._by_courier.get(courier_id)
        return session is not None and session.stream is not None

    def streams(self) -> int:
        return sum(session.stream is not None for session in self._by_courier.values())

    def publish(self, applied: Applied) -> None:
        """Send the messages that an event causes to the couriers whom it concerns."""
        for courier_id, message in messages(applied):
            session = self._by_courier.get(courier_id)
            if session is not None:
                session.send(message)

    def notify(self, courier_id: str, notice: courier_pb.Notice) -> None:
        """Send a notice without a number to the courier's open stream; without one it is lost."""
        session = self._by_courier.get(courier_id)
        if session is not None and session.stream is not None and session.stream.is_open:
            session.stream.send(Message(notice=notice))

    def drop(self, courier_id: str) -> None:
        """Forget a courier who is erased, and end the stream."""
        session = self._by_courier.pop(courier_id, None)
        self._takeovers.pop(courier_id, None)
        if session is not None and session.stream is not None:
            session.stream.end()

    def end_stream(self, courier_id: str) -> None:
        """End the courier's stream, if there is one; the app connects again and reads the state."""
        session = self._by_courier.get(courier_id)
        if session is not None and session.stream is not None:
            session.stream.end()

    async def redact(self, erased: Erased) -> None:
        """Take an erased person out of what is kept for other couriers, session by session."""
        for session in list(self._by_courier.values()):
            session.redact(erased)
            await asyncio.sleep(0)

    def end_streams(self) -> None:
        for session in self._by_courier.values():
            if session.stream is not None:
                session.stream.end()


def _session_id(token: str, courier_id: str) -> str | None:
    """Return the session in a resume token, or None where the token is not this courier's."""
    form, _, rest = token.partition(".")
    try:
        session_id, holder = _unpacked(rest) if form == "2" else _parts_of_earlier_token(form, rest)
    except ValueError:
        return None
    return session_id if holder == courier_id and session_id.isalnum() else None


def _unpacked(text: str) -> tuple[str, ...]:
    return unpack(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _parts_of_earlier_token(form: str, rest: str) -> tuple[str, str]:
    """Of ``1.session.courier``, from a connection before an upgrade: a session has no dot. Raises ValueError."""
    session_id, dot, holder = rest.partition(".")
    if form != "1" or not dot:
        raise ValueError("not a resume token")
    return session_id, holder


def notice(event: events_pb.Event, kind: str) -> tuple[str, courier_pb.Notice]:
    """Return the person whom a decision is about, and their notice: the data and the rule, or the human's reason, and
    how to contest it."""
    body = getattr(event, kind)
    if kind == "standing_changed":
        text = f"{sentences.standing(body.change)} To contest it, call ContestDecision."
        changed = courier_pb.Notice(text=text, decision_id=body.decision_id, contest_by_time=body.contest_by_time)
        return body.change.person_id, changed
    if kind == "rating_revised":
        text = f"A human has looked at the rating of job {body.rating.job_id}: {body.reason}"
        return body.rating.rated_id, courier_pb.Notice(text=text, decision_id=body.rating.decision_id)
    if kind == "progress_flagged":
        text = f"{flag_sentence(body.flag)} {FLAG_FOLLOWS} To add what you have to say, call ContestDecision."
        return body.flag.courier_id, courier_pb.Notice(text=text, decision_id=body.decision_id)
    return body.review.subject_id, courier_pb.Notice(
        text=sentences.answer(body.review), decision_id=body.review.decision_id
    )


def messages(applied: Applied) -> Iterator[tuple[str, Message]]:
    """Yield the messages that an event causes, each with the id of its courier."""
    event, kind = applied.event, applied.kind
    if kind not in REPORTED:
        return
    number = event.sequence * SPREAD
    if kind == "offer_made":
        offer = event.offer_made.offer
        yield offer.courier_id, Message(number=number, offer=offer_for_courier(offer))
    elif kind == "offer_answered":
        answered = event.offer_answered
        closed = courier_pb.OfferClosed(offer_id=answered.offer_id, outcome=answered.outcome, reason=answered.reason)
        yield answered.courier_id, Message(number=number, offer_closed=closed)
    elif kind == "job_failed" and event.job_failed.decision_id:
        body = event.job_failed
        amount = courier_amount(body.postings, body.courier_id)
        text = f"{sentences.lost_contact(body, amount)} To contest it, call ContestDecision."
        ended = courier_pb.Notice(text=text, decision_id=body.decision_id)
        yield body.courier_id, Message(number=number, notice=ended)
    elif kind in NOTICES:
        person_id, decided = notice(event, kind)
        yield person_id, Message(number=number, notice=decided)
    elif kind == "nudge_sent":
        nudge = event.nudge_sent.nudge
        nudged = courier_pb.Notice(text=sentences.nudge(nudge), nudge=nudge)
        yield nudge.courier_id, Message(number=number, notice=nudged)
    elif kind == "courier_offline":
        text = "You are offline now."
        yield event.courier_offline.courier_id, Message(number=number, notice=courier_pb.Notice(text=text))
    courier = applied.courier
    if courier is not None:
        for place, job in enumerate(applied.jobs, start=1):
            yield courier.courier_id, Message(number=number + place, job=job)
        yield courier.courier_id, Message(number=number + SPREAD - 1, courier=courier)
