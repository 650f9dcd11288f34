"""Two workers, and nobody closes the channel."""

from gochan import Chan, go, run, scope


async def worker(jobs: Chan[int]) -> None:
    async for job in jobs:
        print("job", job)


async def main() -> None:
    jobs = Chan[int](name="jobs")
    async with scope():
        for _ in range(2):
            go(worker, jobs)
        for job in range(3):
            await jobs.send(job)


run(main)
