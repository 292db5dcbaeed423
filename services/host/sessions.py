"""A courier's session: what was sent down, numbered by the log, so that a cut stream resumes without loss."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Callable
from time import monotonic

from dispatcher.errors import TakenOver
from dispatcher.ids import pack, unpack
from dispatcher.redaction import Erased, redacted
from gig.v1 import courier_service_pb2 as courier_pb
from services.host.applied import Applied
from services.host.courier_messages import Message, messages
from services.host.takeovers import FIRST_BACKOFF_S, Takeovers

# Messages down that are kept for a courier who may come back.
KEPT = 64
# Messages that may wait for a reader who does not read; then the stream is ended, and can be resumed.
LARGEST_QUEUE = 256

# The notice of the phone that stays.
OTHER_PHONE = courier_pb.Notice(
    text="Another phone was connected for you and has been disconnected. If you do not know it, change your password.",
    device=courier_pb.DeviceNotice(trouble=courier_pb.DEVICE_TROUBLE_OTHER_PHONE),
)


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
