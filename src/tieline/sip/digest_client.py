"""Answers to digest challenges: a request that was refused with 401 or 407 goes out again with credentials.

The request sent again is a new transaction with the next CSeq, made from the bytes of the first one, or by `Uac` for
an INVITE (RFC 3261 sections 8.1.3.5 and 22.2). Each realm is answered once for a request, and once more when it calls
our nonce stale; after that the refusal is told. Within a dialog later requests bring credentials at once.
"""

from __future__ import annotations

from tieline.sip.config import Credentials
from tieline.sip.core import Core
from tieline.sip.dialog import Dialogs
from tieline.sip.digest import Challenge, Sum, compute, is_session, quoted, read_challenges
from tieline.sip.leg import Leg
from tieline.sip.message import Response
from tieline.sip.tables import Do, LegState, State
from tieline.sip.transaction import Transaction, Transactions
from tieline.sip.uac import Uac

_HEADERS = (("www-authenticate", "Authorization"), ("proxy-authenticate", "Proxy-Authorization"))
_ANSWERS = 6
_REALMS = 8
"""Servers along one dialog that we go on proving ourselves to; those that asked first are forgotten first."""
_OWN_LINES = ("Authorization:", "Proxy-Authorization:")
_GOING = frozenset(
    {LegState.CANCEL_WAITING, LegState.CANCELLING, LegState.BYE_WAITING, LegState.ENDING, LegState.OVER}
)


class _Space:
    """One realm's last challenge, and how often its nonce has been used."""

    __slots__ = ("challenge", "cnonce", "count")

    def __init__(self, challenge: Challenge, cnonce: str) -> None:
        self.challenge = challenge
        self.cnonce = cnonce
        self.count = 0


class DigestSession:
    """What the servers along one dialog, or for one registration, have asked for."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self._spaces: dict[tuple[str, str], _Space] = {}

    def learn(self, header: str, challenge: Challenge, cnonce: str) -> None:
        """Take a challenge; `header` is the name of the one that answers it."""
        spaces = self._spaces
        spaces[header, challenge.realm] = _Space(challenge, cnonce)
        while len(spaces) > _REALMS:
            del spaces[next(iter(spaces))]

    def lines(self, method: str, uri: str, body: bytes) -> str:
        """The header lines that prove who we are to each of them, every nonce counted once more."""
        return "".join(
            [
                f"{header}: {self._value(space, method, uri, body)}\r\n"
                for (header, _), space in self._spaces.items()
            ]
        )

    def _value(self, space: _Space, method: str, uri: str, body: bytes) -> str:
        challenge, given = space.challenge, self.credentials
        space.count += 1
        qop, count = challenge.qop, f"{space.count:08x}"
        parts = Sum(
            challenge.algorithm,
            given.username,
            challenge.realm,
            given.password,
            challenge.nonce,
            qop,
            count,
            space.cnonce,
        )
        value = (
            f'Digest username="{quoted(given.username)}", realm="{challenge.realm}", nonce="{challenge.nonce}", '
            f'uri="{uri}", response="{compute(parts, method, uri, body)}"'
        )
        if challenge.algorithm is not None:
            value += f", algorithm={challenge.algorithm}"
        if qop or is_session(challenge.algorithm):
            value += f', cnonce="{space.cnonce}"'
        if qop:
            value += f", qop={qop}, nc={count}"
        if challenge.opaque is not None:
            value += f', opaque="{challenge.opaque}"'
        return value


class DigestClient:
    """Sends refused requests again."""

    def __init__(self, core: Core, transactions: Transactions, dialogs: Dialogs, uac: Uac) -> None:
        self._core = core
        self._transactions = transactions
        self._dialogs = dialogs
        self._uac = uac

    def retry(self, transaction: Transaction, response: Response, now: float) -> bool:
        """Answer the challenge of `response`; False when the refusal is to be told instead."""
        if response.status not in {401, 407}:
            return False
        leg = transaction.leg
        given = transaction.options.credentials
        if given is None or not given.username.isprintable():
            return False
        asked = _asked(transaction, response)
        if not asked or (leg is not None and leg.state in _GOING and transaction.purpose != "BYE"):
            return False
        session = (leg.session if leg is not None else transaction.session) or DigestSession(given)
        answered = dict(transaction.answered)
        for header, challenge in asked:
            answered[header, challenge.realm] = answered.get((header, challenge.realm), 0) + 1
            session.learn(header, challenge, self._core.ids.tag())
        if leg is not None:
            leg.session = session
        self._send_again(transaction, leg, session, now).answered = answered
        return True

    def _send_again(
        self, transaction: Transaction, leg: Leg | None, session: DigestSession, now: float
    ) -> Transaction:
        if transaction.parts is not None:
            assert leg is not None
            self._uac.invite_again(leg, now)
            assert leg.invite is not None
            return leg.invite
        cseq = sent_cseq(transaction.last) + 1
        if leg is not None:
            leg.local_cseq = cseq = leg.local_cseq + 1
        options = transaction.options
        branch = self._dialogs.new_branch()
        via = self._dialogs.via_line(transaction.flow, branch, options)
        data = _renew(transaction.last, via, cseq, session)
        key = (branch, transaction.key[1])
        again = Transaction(
            transaction.table, State.TRYING, key, transaction.flow, self._transactions.clients
        )
        again.leg, again.purpose, again.token = leg, transaction.purpose, transaction.token
        again.session, again.own_options = session, transaction.own_options
        self._transactions.start_client(again, (Do.SET_E, Do.SET_F), data, now)
        return again


def _asked(transaction: Transaction, response: Response) -> list[tuple[str, Challenge]]:
    """The challenges to answer; none when one of them was answered before, so that our credentials are wrong."""
    asked = [
        (answer, challenge)
        for question, answer in _HEADERS
        for challenge in read_challenges(response.headers.getall(question))
    ]
    done = transaction.answered
    for header, challenge in asked:
        times = done.get((header, challenge.realm), 0)
        if times > 1 or (times == 1 and not challenge.stale):
            return []
    return asked if len(done) + len(asked) <= _ANSWERS else []


def sent_cseq(data: bytes) -> int:
    """The CSeq of a request of ours."""
    return int(data.partition(b"\r\nCSeq: ")[2].partition(b" ")[0])


def _renew(data: bytes, via: str, cseq: int, session: DigestSession) -> bytes:
    """A request of ours with another Via, CSeq and credentials."""
    head, _, body = data.partition(b"\r\n\r\n")
    start, _, *lines = head.decode("utf-8", "surrogateescape").split("\r\n")
    method, uri, _ = start.split(" ")
    kept = [line for line in lines if not line.startswith(_OWN_LINES)]
    at = next(place for place, line in enumerate(kept) if line.startswith("CSeq: "))
    kept[at] = f"CSeq: {cseq} {method}\r\n{session.lines(method, uri, body)[:-2]}"
    text = f"{start}\r\n{via}" + "\r\n".join(kept) + "\r\n\r\n"
    return text.encode("utf-8", "surrogateescape") + body
