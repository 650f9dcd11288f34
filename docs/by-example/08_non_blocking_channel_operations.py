"""Non-blocking channel operations: only if it needs no waiting.

`select_nowait` does a case that is ready, or returns None at once: Go's `select` with a
`default`. For one channel there are `send_nowait` and `recv_nowait`.
"""

from gochan import Chan, WouldBlock, recv, run, select_nowait, send


async def main() -> None:
    messages, signals = Chan[str](), Chan[bool]()

    received = recv(messages)
    if select_nowait(received) is received:
        print("received message", received.value)
    else:
        print("no message received")

    # no buffer and no receiver: it cannot be sent
    if select_nowait(send(messages, "hi")) is None:
        print("no message sent")

    match select_nowait(messages, signals):
        case None:
            print("no activity")
        case chosen:
            print("received", chosen.value)

    try:
        messages.send_nowait("hi")
    except WouldBlock:
        print("would block")


run(main)
