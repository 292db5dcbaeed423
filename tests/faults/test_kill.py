"""kill -9 of everything, twice under load: what was acknowledged is there, once, and legal."""

from __future__ import annotations

from load_tests.bench.crash import LIVE_JOBS, bench_crash

# The second kill meets a market that was loaded from its log; further ones repeat it.
KILLS = 2


async def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9() -> None:
    result = await bench_crash(kills=KILLS, seed=11, progress=lambda _text: None)
    assert result["kills"] == KILLS
    assert result["least_live_jobs_at_kill"] >= LIVE_JOBS
    assert result["jobs"] >= LIVE_JOBS
    assert (result["lost"], result["doubled"], result["unanswered"]) == (0, 0, 0)
    assert result["violations"] == []
