"""A sample of live traffic: balanced, deterministic, first turns and sure labels alone, and nothing lost in silence."""

from __future__ import annotations

from monitor.adapters.anchor_sources import GAP, stretches
from monitor.adapters.kafka_admin import Range
from monitor.audit.live import (
    MOST_A_CONVERSATION,
    SAFE_BELOW,
    UNSAFE_FROM,
    Candidate,
    Found,
    live_sample,
    spread,
)


def candidate(number: int, harm: float, conversation: str = "", tenant: str = "acme") -> Candidate:
    return Candidate(f"e{number}", tenant, conversation, harm, "chat.logs", number % 3, number, 0)


def traffic(safe: int, unsafe: int) -> tuple[list[Candidate], list[Found | None]]:
    candidates = [candidate(n, 0.01 if n < safe else 0.99) for n in range(safe + unsafe)]
    return candidates, [Found(f"text {one.event_id}", is_first=True) for one in candidates]


def test_there_are_as_many_of_both_and_no_more_than_wanted() -> None:
    sample = live_sample(*traffic(500, 90), wanted=400)
    assert (sample.anchors.labels.count("safe"), sample.anchors.labels.count("unsafe")) == (90, 90)
    assert sample.anchors.is_live
    assert sample.anchors.anchors().safe == 90
    small = live_sample(*traffic(500, 500), wanted=200)
    assert (small.anchors.labels.count("safe"), small.anchors.labels.count("unsafe")) == (100, 100)


def test_the_same_candidates_in_any_order_give_the_same_sample_and_another_seed_another() -> None:
    candidates, texts = traffic(300, 300)
    first = live_sample(candidates, texts, wanted=200)
    assert live_sample(candidates[::-1], texts[::-1], wanted=200) == first
    assert live_sample(candidates, texts, wanted=200, seed=1).anchors.ids != first.anchors.ids
    assert [one.event_id for one in spread(candidates, seed=0)[:10]] != [
        one.event_id for one in candidates[:10]
    ]


def test_only_sure_labels_are_taken_at_the_stated_thresholds() -> None:
    harms = [SAFE_BELOW, SAFE_BELOW + 1e-9, 0.5, UNSAFE_FROM - 1e-9, UNSAFE_FROM]
    candidates = [candidate(n, harm) for n, harm in enumerate(harms)]
    assert [one.is_safe for one in candidates] == [True, None, None, None, False]
    sample = live_sample(candidates, [Found(f"t{n}", is_first=True) for n in range(5)], wanted=10)
    assert (len(sample.anchors.ids), sample.unsure) == (2, 3)


def test_what_is_left_out_is_counted() -> None:
    candidates, texts = traffic(10, 10)
    texts[0] = None
    texts[1] = Found("later turn", is_first=False)
    texts[2] = Found("   ", is_first=True)
    texts[3] = Found("x" * 20_001, is_first=True)
    texts[4] = Found("half \ud800", is_first=True)
    texts[5] = Found("Text  E6", is_first=True)  # repeats another safe one
    sample = live_sample(candidates, texts, wanted=100)
    assert (sample.gone, sample.not_first, sample.unsuitable, sample.repeated) == (1, 1, 3, 1)
    assert sample.anchors.labels.count("safe") == 4


def test_a_text_with_both_labels_is_left_out_on_both_sides() -> None:
    candidates, texts = traffic(5, 5)
    texts[0] = texts[9] = Found("the same", is_first=True)
    sample = live_sample(candidates, texts, wanted=100)
    assert "the same" not in sample.anchors.texts
    assert sample.repeated == 2


def test_a_conversation_gives_few_anchors_and_is_one_cluster_within_its_tenant() -> None:
    candidates = [candidate(n, 0.01 if n % 2 else 0.99, conversation="one") for n in range(20)]
    candidates += [candidate(n, 0.01 if n % 2 else 0.99, "one", tenant="other") for n in range(20, 40)]
    candidates += [candidate(n, 0.01 if n % 2 else 0.99) for n in range(40, 60)]
    texts: list[Found | None] = [Found(one.event_id, is_first=True) for one in candidates]
    sample = live_sample(candidates, texts, wanted=100)
    counts = {cluster: sample.anchors.clusters.count(cluster) for cluster in sample.anchors.clusters}
    assert max(counts.values()) <= MOST_A_CONVERSATION
    assert candidates[0].cluster == candidates[1].cluster != candidates[20].cluster
    assert not any("acme" in one or "one" in one for one in sample.anchors.clusters)


def test_none_is_an_empty_set_which_its_check_refuses() -> None:
    sample = live_sample([], [], wanted=100)
    assert sample.anchors.ids == ()


def test_offsets_close_together_are_read_at_once() -> None:
    assert stretches([]) == []
    assert stretches([5]) == [Range(5, 6)]
    assert stretches([5, 6, 5 + GAP, 1000]) == [Range(5, 6 + GAP), Range(1000, 1001)]
