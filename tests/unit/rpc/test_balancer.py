"""Who gets a call: shares, keys that stay where they are, and instances that are left out for a while."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.rpc import balancer
from xinyu.rpc.balancer import Ejections, HashRing, LeastInFlight, RoundRobin, Weighted


@dataclass
class Instance:
    address: str
    weight: int = 100
    in_flight: int = 0


def named(count: int) -> list[Instance]:
    return [Instance(f"10.0.0.{number}:8071") for number in range(count)]


ADDRESSES = st.sets(st.integers(0, 10_000), min_size=2, max_size=12).map(
    lambda numbers: sorted(f"10.0.{number // 256}.{number % 256}:8071" for number in numbers)
)
KEYS = [f"p{one}-{other}" for one in range(40) for other in range(one, 40)]


# ---------------------------------------------------------------- policies


@given(st.integers(1, 20), st.integers(1, 5))
def test_defect_11_round_robin_gives_each_its_turn(count: int, rounds: int) -> None:
    policy, instances = RoundRobin(), named(count)
    picked = Counter(policy.pick(instances).address for _ in range(count * rounds))
    assert picked == {instance.address: rounds for instance in instances}


@given(st.lists(st.integers(0, 7), min_size=1, max_size=6).filter(any))
def test_weights_are_shares_and_are_spread(weights: list[int]) -> None:
    policy = Weighted()
    instances = [Instance(str(number), weight) for number, weight in enumerate(weights)]
    total = sum(weights)
    for _ in range(2):
        picked = [policy.pick(instances).address for _ in range(total)]
        for begin in range(1, total + 1):  # nobody is ever a whole turn ahead of his share
            for number, weight in enumerate(weights):
                assert abs(picked[:begin].count(str(number)) - begin * weight / total) <= 1 + len(weights) / 2
        assert Counter(picked) == Counter({str(number): weight for number, weight in enumerate(weights) if weight})


def test_weights_two_and_one_do_not_come_in_blocks() -> None:
    policy = Weighted()
    instances = [Instance("a", 2), Instance("b", 1)]
    assert "".join(policy.pick(instances).address for _ in range(6)) == "abaaba"


def test_all_weights_zero_are_equal_weights() -> None:
    policy, instances = Weighted(), [Instance("a", 0), Instance("b", 0)]
    assert Counter(policy.pick(instances).address for _ in range(10)) == {"a": 5, "b": 5}


@given(st.lists(st.integers(0, 5), min_size=1, max_size=balancer.COMPARE_ALL))
def test_the_least_busy_is_picked_and_equals_take_turns(loads: list[int]) -> None:
    policy = LeastInFlight()
    instances = [Instance(str(number), in_flight=load) for number, load in enumerate(loads)]
    least = [instance for instance in instances if instance.in_flight == min(loads)]
    picked = Counter(policy.pick(instances).address for _ in range(3 * len(instances)))
    assert set(picked) == {instance.address for instance in least}


def test_of_many_the_busiest_is_never_picked() -> None:
    policy, instances = LeastInFlight(), named(50)
    instances[7].in_flight = 1
    assert all(policy.pick(instances) is not instances[7] for _ in range(2_000))


# ---------------------------------------------------------------- the ring


@given(ADDRESSES)
def test_who_goes_takes_only_its_own_keys_along(addresses: list[str]) -> None:
    before = HashRing(addresses)
    gone, *rest = addresses
    after = HashRing(rest)
    for key in KEYS:
        if before.find(key) != gone:
            assert after.find(key) == before.find(key)
        # Its keys go where the order says.
        assert after.find(key) == next(address for address in before.order(key) if address != gone)


@given(ADDRESSES)
def test_a_key_s_order_names_each_once_and_its_own_first(addresses: list[str]) -> None:
    ring = HashRing(addresses)
    for key in KEYS[:20]:
        order = list(ring.order(key))
        assert order[0] == ring.find(key) and sorted(order) == addresses


@pytest.mark.parametrize("count", [2, 3, 10])
def test_who_comes_takes_its_share_and_moves_nothing_else(count: int) -> None:
    addresses = [instance.address for instance in named(count)]
    keys = [f"g{number}" for number in range(20_000)]
    before, after = HashRing(addresses), HashRing([*addresses, "10.0.1.1:8071"])
    moved = [key for key in keys if before.find(key) != after.find(key)]
    assert {after.find(key) for key in moved} == {"10.0.1.1:8071"}
    # A share of 1 / (count + 1), as even as the places on the ring are.
    assert 0.6 < len(moved) * (count + 1) / len(keys) < 1.4


def test_keys_are_the_same_in_every_process_and_version() -> None:
    # Other places would send the talks of a cluster in which two versions run to two processes each.
    ring = HashRing(["a:1", "b:1", "c:1"])
    assert "".join(ring.find(f"p1-{number}")[0] for number in range(2, 14)) == "bcbbaabcccbc"


# ---------------------------------------------------------------- ejections


def fail(ejections: Ejections, address: str, times: int, now_s: float, count: int) -> bool:
    return [ejections.failed(address, now_s, count) for _ in range(times)][-1]


def test_failures_in_a_row_eject_and_one_success_between_does_not() -> None:
    ejections = Ejections()
    assert not fail(ejections, "a", balancer.FAILURES - 1, 0.0, 2)
    ejections.succeeded("a")
    assert not fail(ejections, "a", balancer.FAILURES - 1, 0.0, 2)
    assert not ejections.is_out("a", 0.0)
    assert ejections.failed("a", 0.0, 2)
    assert ejections.is_out("a", 0.0) and not ejections.is_out("b", 0.0)


def test_one_call_is_on_probation_and_takes_it_back() -> None:
    ejections = Ejections()
    fail(ejections, "a", balancer.FAILURES, 0.0, 2)
    back_s = ejections.back_at("a")
    assert back_s == balancer.FIRST_S and not ejections.is_out("a", back_s)
    assert ejections.begin("a")
    assert ejections.is_out("a", back_s) and not ejections.begin("a")  # no second one beside it
    assert ejections.succeeded("a")
    assert not ejections.is_out("a", back_s) and not ejections.begin("a")


def test_a_failed_probation_lasts_twice_as_long_up_to_a_bound() -> None:
    ejections, now_s, spans = Ejections(), 0.0, []
    fail(ejections, "a", balancer.FAILURES, now_s, 2)
    for _ in range(10):
        spans.append(ejections.back_at("a") - now_s)
        now_s = ejections.back_at("a")
        ejections.begin("a")
        assert ejections.failed("a", now_s, 2)
    assert spans[:4] == [1, 2, 4, 8] and spans[-1] == balancer.LONGEST_S
    ejections.begin("a")
    ejections.succeeded("a")
    fail(ejections, "a", balancer.FAILURES, now_s, 2)
    assert ejections.back_at("a") - now_s == balancer.FIRST_S  # it begins anew


def test_a_probation_that_says_nothing_is_followed_by_another() -> None:
    ejections = Ejections()
    fail(ejections, "a", balancer.FAILURES, 0.0, 2)
    ejections.begin("a")
    assert ejections.given_up("a") and not ejections.given_up("a")
    assert not ejections.is_out("a", balancer.FIRST_S) and ejections.begin("a")


@given(st.integers(1, 9))
def test_never_more_than_half_are_out(count: int) -> None:
    ejections = Ejections()
    for number in range(count):
        fail(ejections, str(number), 3 * balancer.FAILURES, 0.0, count)
    assert sum(ejections.is_out(str(number), 0.0) for number in range(count)) == count // 2


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["fail", "succeed", "begin", "give_up", "wait"]))))
def test_whatever_happens_half_stay_and_who_is_out_comes_back(steps: list[tuple[str, str]]) -> None:
    ejections, now_s = Ejections(), 0.0
    for address, step in steps:
        if step == "fail":
            ejections.failed(address, now_s, 3)
        elif step == "succeed":
            ejections.succeeded(address)
        elif step == "begin" and not ejections.is_out(address, now_s):
            ejections.begin(address)
        elif step == "give_up":
            ejections.given_up(address)
        else:
            now_s += 0.7
        assert sum(ejections.is_out(each, now_s) for each in "abc") <= 1
    for address in "abc":
        ejections.given_up(address)
        assert not ejections.is_out(address, now_s + balancer.LONGEST_S)
