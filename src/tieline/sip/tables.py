"""The state machines of the core as data: four transactions (RFC 3261 section 17, RFC 6026) and the leg.

A table maps a state to what may happen in it, and that to the next state and the actions, in order. What a state has
no row for is ignored by a transaction (a late timer, a stray retransmission) and refused to the owner of a leg.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Transaction states, named as in RFC 3261 and RFC 6026."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What can happen to a transaction. Responses are received by clients and sent by the owner of servers."""

    REQUEST = "request"
    ACK = "ack"
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "3xx-6xx"
    FINAL = "2xx-6xx"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    GIVE_UP = "give up"
    TRANSPORT_FAILED = "transport failed"


class Do(StrEnum):
    """Actions of a transaction."""

    SEND = "send"
    RESEND = "resend"
    ACK = "send ACK"
    TELL = "tell owner"
    TELL_TIMEOUT = "tell owner: timeout"
    TELL_TRANSPORT = "tell owner: transport failed"
    SET_A = "set A"
    SET_B = "set B"
    SET_D = "set D"
    SET_E = "set E"
    SET_F = "set F"
    SET_G = "set G"
    SET_H = "set H"
    SET_I = "set I"
    SET_J = "set J"
    SET_K = "set K"
    SET_L = "set L"
    SET_M = "set M"


Table = dict[State, dict[Input, tuple[State, tuple[Do, ...]]]]

_S = State
_I = Input

INVITE_CLIENT: Table = {
    _S.CALLING: {
        _I.TIMER_A: (_S.CALLING, (Do.RESEND, Do.SET_A)),
        _I.TIMER_B: (_S.TERMINATED, (Do.TELL_TIMEOUT,)),
        _I.PROVISIONAL: (_S.PROCEEDING, (Do.TELL,)),
        _I.SUCCESS: (_S.ACCEPTED, (Do.SET_M, Do.TELL)),
        _I.FAILURE: (_S.COMPLETED, (Do.ACK, Do.SET_D, Do.TELL)),
        _I.TRANSPORT_FAILED: (_S.TERMINATED, (Do.TELL_TRANSPORT,)),
    },
    _S.PROCEEDING: {
        _I.PROVISIONAL: (_S.PROCEEDING, (Do.TELL,)),
        _I.SUCCESS: (_S.ACCEPTED, (Do.SET_M, Do.TELL)),
        _I.FAILURE: (_S.COMPLETED, (Do.ACK, Do.SET_D, Do.TELL)),
        _I.GIVE_UP: (_S.TERMINATED, (Do.TELL_TIMEOUT,)),
        _I.TRANSPORT_FAILED: (_S.TERMINATED, (Do.TELL_TRANSPORT,)),
    },
    _S.ACCEPTED: {
        _I.SUCCESS: (_S.ACCEPTED, (Do.TELL,)),
        _I.TIMER_M: (_S.TERMINATED, ()),
    },
    _S.COMPLETED: {
        _I.FAILURE: (_S.COMPLETED, (Do.ACK,)),
        _I.TIMER_D: (_S.TERMINATED, ()),
    },
    _S.TERMINATED: {},
}

INVITE_SERVER: Table = {
    _S.PROCEEDING: {
        _I.REQUEST: (_S.PROCEEDING, (Do.RESEND,)),
        _I.PROVISIONAL: (_S.PROCEEDING, (Do.SEND,)),
        _I.SUCCESS: (_S.ACCEPTED, (Do.SEND, Do.SET_L)),
        _I.FAILURE: (_S.COMPLETED, (Do.SEND, Do.SET_G, Do.SET_H)),
    },
    _S.ACCEPTED: {
        _I.SUCCESS: (_S.ACCEPTED, (Do.SEND,)),
        _I.TIMER_L: (_S.TERMINATED, ()),
    },
    _S.COMPLETED: {
        _I.REQUEST: (_S.COMPLETED, (Do.RESEND,)),
        _I.ACK: (_S.CONFIRMED, (Do.SET_I,)),
        _I.TIMER_G: (_S.COMPLETED, (Do.RESEND, Do.SET_G)),
        _I.TIMER_H: (_S.TERMINATED, ()),
    },
    _S.CONFIRMED: {
        _I.TIMER_I: (_S.TERMINATED, ()),
    },
    _S.TERMINATED: {},
}

NON_INVITE_CLIENT: Table = {
    _S.TRYING: {
        _I.TIMER_E: (_S.TRYING, (Do.RESEND, Do.SET_E)),
        _I.TIMER_F: (_S.TERMINATED, (Do.TELL_TIMEOUT,)),
        _I.PROVISIONAL: (_S.PROCEEDING, ()),
        _I.FINAL: (_S.COMPLETED, (Do.SET_K, Do.TELL)),
        _I.TRANSPORT_FAILED: (_S.TERMINATED, (Do.TELL_TRANSPORT,)),
    },
    _S.PROCEEDING: {
        _I.TIMER_E: (_S.PROCEEDING, (Do.RESEND, Do.SET_E)),
        _I.TIMER_F: (_S.TERMINATED, (Do.TELL_TIMEOUT,)),
        _I.FINAL: (_S.COMPLETED, (Do.SET_K, Do.TELL)),
        _I.TRANSPORT_FAILED: (_S.TERMINATED, (Do.TELL_TRANSPORT,)),
    },
    _S.COMPLETED: {
        _I.TIMER_K: (_S.TERMINATED, ()),
    },
    _S.TERMINATED: {},
}

NON_INVITE_SERVER: Table = {
    _S.TRYING: {
        _I.FINAL: (_S.COMPLETED, (Do.SEND, Do.SET_J)),
    },
    _S.COMPLETED: {
        _I.REQUEST: (_S.COMPLETED, (Do.RESEND,)),
        _I.TIMER_J: (_S.TERMINATED, ()),
    },
    _S.TERMINATED: {},
}
"""We answer every request but INVITE at once, so the Proceeding state of RFC 3261 figure 8 has no use here."""


class LegState(StrEnum):
    """A leg: our side of one INVITE and of the dialog that it may make.

    RFC 3261's early dialog is RINGING (called) and PROCEEDING (calling), the confirmed one begins with ANSWERED and
    UNACKED, OVER is the terminated one.
    """

    OFFERED = "offered"
    RINGING = "ringing"
    ANSWER_WAITING = "answer waiting"
    ANSWERED = "answered"
    CONFIRMED = "confirmed"
    BYE_WAITING = "bye waiting"
    ENDING = "ending"
    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCEL_WAITING = "cancel waiting"
    CANCELLING = "cancelling"
    UNACKED = "unacked"
    OVER = "over"


class LegInput(StrEnum):
    """What the owner, the peer or a timer does to a leg."""

    RING = "ring"
    ANSWER = "answer"
    REJECT = "reject"
    ACKED = "ACK received"
    NO_ACK = "no ACK came"
    BYE = "bye"
    BYE_RECEIVED = "BYE received"
    BYE_DONE = "BYE answered"
    CANCELLED = "CANCEL received"
    PROVISIONAL = "1xx received"
    SUCCESS = "2xx received"
    FAILURE = "3xx-6xx received"
    CANCEL = "cancel"
    ACK = "ack"
    REINVITE = "reinvite"
    ACCEPT_REINVITE = "accept_reinvite"
    REJECT_REINVITE = "reject_reinvite"
    INFO = "info"
    REFER = "refer"
    UPDATE = "update"
    ACCEPT_UPDATE = "accept_update"
    REJECT_UPDATE = "reject_update"
    ANSWER_WAITS = "answer before PRACK"
    PRACKED = "PRACK received"
    NO_PRACK = "no PRACK came"
    RETRY = "INVITE again"
    EXPIRED = "session expired"
    PEER_GONE = "peer gone"


LegTable = dict[LegState, dict[LegInput, LegState]]

_L = LegState
_N = LegInput

LEG: LegTable = {
    _L.OFFERED: {
        _N.RING: _L.RINGING,
        _N.ANSWER: _L.ANSWERED,
        _N.REJECT: _L.OVER,
        _N.CANCELLED: _L.OVER,
        _N.BYE_RECEIVED: _L.OVER,
    },
    _L.RINGING: {
        _N.RING: _L.RINGING,
        _N.UPDATE: _L.RINGING,
        _N.ACCEPT_UPDATE: _L.RINGING,
        _N.REJECT_UPDATE: _L.RINGING,
        _N.ANSWER_WAITS: _L.ANSWER_WAITING,
        _N.NO_PRACK: _L.OVER,
        _N.ANSWER: _L.ANSWERED,
        _N.REJECT: _L.OVER,
        _N.CANCELLED: _L.OVER,
        _N.BYE_RECEIVED: _L.OVER,
    },
    _L.ANSWER_WAITING: {
        _N.PRACKED: _L.ANSWERED,
        _N.NO_PRACK: _L.OVER,
        _N.ACCEPT_UPDATE: _L.ANSWER_WAITING,
        _N.REJECT_UPDATE: _L.ANSWER_WAITING,
        _N.BYE: _L.OVER,
        _N.CANCELLED: _L.OVER,
        _N.BYE_RECEIVED: _L.OVER,
    },
    _L.ANSWERED: {
        _N.ACKED: _L.CONFIRMED,
        _N.NO_ACK: _L.ENDING,
        _N.BYE: _L.BYE_WAITING,
        _N.BYE_RECEIVED: _L.OVER,
        _N.ACCEPT_REINVITE: _L.ANSWERED,
        _N.REJECT_REINVITE: _L.ANSWERED,
        _N.ACCEPT_UPDATE: _L.ANSWERED,
        _N.REJECT_UPDATE: _L.ANSWERED,
        _N.PEER_GONE: _L.OVER,
    },
    _L.CONFIRMED: {
        _N.REINVITE: _L.CONFIRMED,
        _N.ACCEPT_REINVITE: _L.CONFIRMED,
        _N.REJECT_REINVITE: _L.CONFIRMED,
        _N.UPDATE: _L.CONFIRMED,
        _N.ACCEPT_UPDATE: _L.CONFIRMED,
        _N.REJECT_UPDATE: _L.CONFIRMED,
        _N.EXPIRED: _L.ENDING,
        _N.INFO: _L.CONFIRMED,
        _N.REFER: _L.CONFIRMED,
        _N.ACKED: _L.CONFIRMED,
        _N.NO_ACK: _L.ENDING,
        _N.BYE: _L.ENDING,
        _N.BYE_RECEIVED: _L.OVER,
        _N.PEER_GONE: _L.OVER,
    },
    _L.BYE_WAITING: {
        _N.ACKED: _L.ENDING,
        _N.NO_ACK: _L.ENDING,
        _N.BYE_RECEIVED: _L.OVER,
        _N.PEER_GONE: _L.OVER,
    },
    _L.ENDING: {
        _N.BYE_DONE: _L.OVER,
        _N.BYE_RECEIVED: _L.ENDING,
    },
    _L.CALLING: {
        _N.PROVISIONAL: _L.PROCEEDING,
        _N.SUCCESS: _L.UNACKED,
        _N.FAILURE: _L.OVER,
        _N.CANCEL: _L.CANCEL_WAITING,
        _N.RETRY: _L.CALLING,
    },
    _L.PROCEEDING: {
        _N.RETRY: _L.CALLING,
        _N.ACCEPT_UPDATE: _L.PROCEEDING,
        _N.REJECT_UPDATE: _L.PROCEEDING,
        _N.PROVISIONAL: _L.PROCEEDING,
        _N.SUCCESS: _L.UNACKED,
        _N.FAILURE: _L.OVER,
        _N.CANCEL: _L.CANCELLING,
    },
    _L.CANCEL_WAITING: {
        _N.PROVISIONAL: _L.CANCELLING,
        _N.SUCCESS: _L.ENDING,
        _N.FAILURE: _L.OVER,
    },
    _L.CANCELLING: {
        _N.PROVISIONAL: _L.CANCELLING,
        _N.SUCCESS: _L.ENDING,
        _N.FAILURE: _L.OVER,
    },
    _L.UNACKED: {
        _N.ACK: _L.CONFIRMED,
        _N.ACCEPT_UPDATE: _L.UNACKED,
        _N.REJECT_UPDATE: _L.UNACKED,
        _N.BYE: _L.ENDING,
        _N.BYE_RECEIVED: _L.OVER,
    },
    _L.OVER: {},
}
