from speech.google_line import FAILURES_TO_OPEN, PAUSE_S, Breaker


def failed(times, *, at_s=0.0, is_refusal=False):
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.after_failure(at_s, is_refusal=is_refusal)
    return breaker


def test_a_new_breaker_lets_calls_through():
    assert Breaker().allows(1000.0)


def test_two_failures_change_nothing():
    assert failed(FAILURES_TO_OPEN - 1).allows(0.0)


def test_three_failures_stop_calls_for_five_minutes():
    breaker = failed(FAILURES_TO_OPEN, at_s=1000.0)

    assert not breaker.allows(1000.0)
    assert not breaker.allows(1000.0 + PAUSE_S - 0.001)
    assert breaker.allows(1000.0 + PAUSE_S)


def test_one_refusal_is_enough():
    assert not failed(1, at_s=1000.0, is_refusal=True).allows(1001.0)


def test_after_the_pause_one_failure_stops_calls_again():
    half_open = failed(FAILURES_TO_OPEN, at_s=1000.0)
    again = half_open.after_failure(1000.0 + PAUSE_S, is_refusal=False)

    assert not again.allows(1000.0 + PAUSE_S + 1)


def test_a_clock_set_back_does_not_prolong_the_pause():
    assert failed(FAILURES_TO_OPEN, at_s=1_000_000.0).allows(1000.0)
