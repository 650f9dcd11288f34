"""Channel synchronization: wait for a goroutine with a channel.

A receive that waits can be used to wait until another goroutine has got somewhere. To
wait for its *end*, `await` what `go()` returned, or use a `WaitGroup` for several.
"""

from gochan import Chan, SendChan, go, run, yield_


async def worker(done: SendChan[bool]) -> None:
    print("working...")
    await yield_()
    print("done")
    await done.send(True)


async def main() -> None:
    done = Chan[bool](1)
    go(worker, done)

    # without this line, main would end before the worker begins
    await done.recv()


run(main)
