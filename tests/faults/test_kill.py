"""kill -9 of everything, five times under load: what was acknowledged is there, once, and legal."""

from __future__ import annotations

from load_tests.bench.crash import LIVE_JOBS, bench_crash


async def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9() -> None:
    result = await bench_crash(kills=5, seed=11, progress=lambda _text: None)
    assert result["kills"] == 5
    assert result["least_live_jobs_at_kill"] >= LIVE_JOBS
    assert result["jobs"] >= LIVE_JOBS
    assert (result["lost"], result["doubled"], result["unanswered"]) == (0, 0, 0)
    assert result["violations"] == []
