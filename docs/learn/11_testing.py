from gochan import Chan, go, recv, select, testing, time


async def watch(beats: Chan[None], alarms: Chan[float]) -> None:
    """Send an alarm if there was no beat for a minute."""
    beat = recv(beats)
    while True:
        silence = recv(time.after(60))
        if await select(beat, silence) is silence:
            await alarms.send(time.now())


async def check() -> None:
    beats, alarms = Chan[None](), Chan[float](10)
    watching = go(watch, beats, alarms)
    started = time.now()
    await beats.send(None)
    await time.sleep(59)
    await testing.wait()
    assert len(alarms) == 0
    await time.sleep(2)
    await testing.wait()
    print(f"alarm after {await alarms.recv() - started:.0f} s")
    watching.cancel()


# takes no time at all, on both runtimes
for backend in ("asyncio", "trio"):
    testing.bubble(backend=backend).run(check)
