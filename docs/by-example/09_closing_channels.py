"""Closing channels: no more values will come.

Closing a channel tells its receivers that all values have been sent. They still get
what is buffered. Only senders close, and only once; a channel need not be closed at all
unless somebody waits to be told.
"""

from gochan import Chan, RecvChan, SendChan, go, run


async def work(jobs: RecvChan[int], done: SendChan[bool]) -> None:
    while True:
        # Go's comma-ok: False once the channel is closed and drained
        job, more = await jobs.recv_ok()
        if not more:
            print("received all jobs")
            await done.send(True)
            return
        print("received job", job)


async def main() -> None:
    jobs, done = Chan[int](5), Chan[bool]()
    go(work, jobs, done)
    for job in range(1, 4):
        await jobs.send(job)
        print("sent job", job)
    jobs.close()
    print("sent all jobs")
    await done.recv()

    print("more jobs:", await jobs.recv_ok())


run(main)
