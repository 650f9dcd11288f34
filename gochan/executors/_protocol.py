"""What two processes say to each other: the kinds of messages on a link.

Both ends are alike. Each is *home* to the channels that were made in its process, and
has *handles* to those of the other. An operation on a handle is a request; the home
does it and answers. An operation is done at its home alone, so what a channel promises
holds here, too.

A request has exactly one answer:

    SEND -> DONE or CLOSED      RECV -> VALUE or CLOSED      SELECT -> CHOSEN
    each of them also FAILED or WITHDRAWN; with NOWAIT added, also BLOCKS
    CALL, of a method that does not wait -> RESULT or FAILED
    RUN, a goroutine in a worker -> RESULT, FAILED or WITHDRAWN

WITHDRAW asks for the answer now. It is WITHDRAWN if nothing has happened, and then
nothing will; otherwise the answer is on its way already. So who is cancelled, or runs
out of time, waits for the answer either way, and learns which of the two it is.

A value that was received is kept by its home until the other side says ACK, when a
party has it, or NACK. On NACK, and if the link breaks before, it is put back to the
front of its channel. A send is told DONE when its value has been taken, or buffered.
SENT is a send that needs no answer: see ``_lending``; TAKEN is a receive that has asked
for none: see ``_ahead``. NOTED tells that a goroutine that
is to be withdrawn reacts to that; with a target of 1, that it has been cancelled.

What is ordered: messages of one link arrive in order, so whoever gets a value comes
after all that its sender has done before on that link.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

__all__ = (
    "ACK",
    "AHEAD",
    "BLOCKS",
    "BYE",
    "CALL",
    "CHOSEN",
    "CLOSED",
    "DONE",
    "FAILED",
    "LEND",
    "NACK",
    "NOTED",
    "NOWAIT",
    "RECALL",
    "RECLAIM",
    "RECV",
    "RELEASE",
    "RESULT",
    "RETURNED",
    "RUN",
    "SELECT",
    "SEND",
    "SENT",
    "TAKEN",
    "UNUSED",
    "VALUE",
    "WITHDRAW",
    "WITHDRAWN",
    "Answer",
)

# requests; NOWAIT is added to the first three
SEND: Final = 1
RECV: Final = 2
SELECT: Final = 3
NOWAIT: Final = 16
CALL: Final = 4
RUN: Final = 5
# answers
DONE: Final = 33
VALUE: Final = 34
CHOSEN: Final = 35
CLOSED: Final = 36
BLOCKS: Final = 37
WITHDRAWN: Final = 38
RESULT: Final = 39
FAILED: Final = 40
# about requests
WITHDRAW: Final = 65
ACK: Final = 66
NACK: Final = 67
NOTED: Final = 68
# about sends that need no answer; in place of the request RETURNED has the number of
# slots, LEND and RECALL the serial number of a place: see _page
SENT: Final = 71
LEND: Final = 72
RECALL: Final = 73
RETURNED: Final = 74
# about receives that need no asking; the number of the loan is in place of the request
AHEAD: Final = 75
TAKEN: Final = 76
RECLAIM: Final = 77
UNUSED: Final = 78
# about the link
RELEASE: Final = 69
BYE: Final = 70

# its kind, and what comes with it
Answer: TypeAlias = tuple[int, Any]
