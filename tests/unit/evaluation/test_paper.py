"""The published figures, as printed in the paper."""

import pytest

from openmov.report import paper


@pytest.mark.parametrize(("extra", "table", "mov"), [("flow", 1, (75.3, 58.1, 65.6)), ("audio", 2, (68.4, 51.5, 58.8))])
def test_results_end_with_mov(extra, table, mov):
    rows = paper.results(extra)
    assert (rows[-1].method, rows[-1].table) == ("MOV", table)
    assert (rows[-1].base, rows[-1].novel, rows[-1].harmonic) == mov
    assert [row.method for row in rows if row.table == 5][1:] == ["video only", "score fusion"]


def test_margins():
    assert paper.margins("flow") == pytest.approx((24.1, 1.4))
    assert paper.margins("audio") == pytest.approx((19.9, 2.7))


def test_sweep_peaks_at_the_papers_choice():
    for extra, best in (("flow", 58.1), ("audio", 51.5)):
        sweep = paper.sweep(extra)
        assert max(sweep.fused.values()) == sweep.fused[0.003] == best
        assert len(sweep.fused) == 5
