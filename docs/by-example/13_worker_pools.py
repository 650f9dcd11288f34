"""Worker pools: some workers share many jobs.

Three workers receive from the same channel, so each job goes to one of them. Five jobs
of a hundredth of a second each take two hundredths, not five.
"""

from gochan import Chan, RecvChan, SendChan, go, run, time


async def worker(jobs: RecvChan[int], results: SendChan[int]) -> None:
    async for job in jobs:
        await time.sleep(0.01)
        await results.send(job * 2)


async def main() -> None:
    jobs, results = Chan[int](100), Chan[int](100)
    for _ in range(3):
        go(worker, jobs, results)

    for job in range(1, 6):
        await jobs.send(job)
    jobs.close()

    print(sorted([await results.recv() for _ in range(5)]))


run(main)
