"""What a site will need: the model finds what a known daemon costs, and adds it up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.sizing import Model, Site, site_of
from support.growing import (
    CONNECTION_KIB,
    DAEMON_MIB,
    DELIVERY_US,
    IDLE_MS,
    KERNEL_KIB,
    MEMBER_KIB,
    MESSAGE_US,
    PING_US,
    ROOM_KIB,
    known_check,
    known_run,
    series,
)


def roomy_run():
    """With the most connections a delivery costs so much that no pause reaches it."""
    run = known_run()
    law = {100: DELIVERY_US, 5000: DELIVERY_US, 10_000: 8 * DELIVERY_US}
    return replace(run, series={**run.series, "connections.delivery_us": series(lambda n: law[n] + MESSAGE_US / 20, *law)})


def test_the_terms_are_what_the_daemon_costs():
    model = Model(known_run())

    assert (model.message_us, model.idle_us, model.ping_us) == pytest.approx((MESSAGE_US, IDLE_MS * 1000, PING_US))
    assert model.delivery_us(500) == pytest.approx(DELIVERY_US)
    assert (model.delivered_byte_us, model.received_byte_us) == pytest.approx((0.0001, 0.0002), rel=0.02)
    assert (model.daemon_mib, model.silent_kib, model.connection_kib) == pytest.approx((DAEMON_MIB, CONNECTION_KIB, MEMBER_KIB))
    assert (model.room_kib, model.kernel_kib, model.handshake_us) == pytest.approx((ROOM_KIB, KERNEL_KIB, 125))


def test_work_after_a_pause_is_dearer_and_rates_that_are_mostly_the_idle_daemon_say_nothing_of_it():
    model = Model(roomy_run())

    assert [100, 300, 1000, 10_000] == model.rates
    assert [2, 2, 1] == pytest.approx([model.pause(5), model.pause(1000), model.pause(50_000)])


def test_the_least_of_the_pauses_counts_as_well():
    run = known_run()
    rates = {100: 2.0, 1000: 1.5, 10_000: 1.2}
    law = series(lambda per_s: (MESSAGE_US + DELIVERY_US) * rates[per_s] + IDLE_MS * 1000 / per_s, *rates)
    model = Model(replace(run, series={**run.series, "rate.message_us": law}))

    assert [2, 1.5, 1.2] == pytest.approx([model.pause(rate) for rate in rates])
    assert model.heard_us(Site(2000, 100, 100)) == pytest.approx(1.2 * DELIVERY_US)


def test_cpu_is_the_sum_of_what_a_second_has():
    site = Site(connections=2000, rooms=100, rate=500, size=1128, joins=10, ping_s=20)

    terms = Model(roomy_run()).terms(site)

    assert terms == pytest.approx(
        {
            "idle": 0.004,
            "messages": 500 * (2 * 20 + 0.2) / 1e6,
            "deliveries": 500 * 20 * (2 * 3 + 0.1) / 1e6,
            "pings": 100 * 25 / 1e6,
            "handshakes": 10 * 125 / 1e6,
        },
        rel=0.001,
    )
    assert Model(roomy_run()).cpu(site) == pytest.approx(sum(terms.values()))


def test_a_delivery_never_costs_more_after_a_pause_than_with_the_most_connections():
    assert Model(roomy_run()).heard_us(Site(2000, 100, 500)) == pytest.approx(2 * DELIVERY_US)
    assert Model(known_run()).heard_us(Site(2000, 100, 500)) == pytest.approx(DELIVERY_US)
    assert Model(roomy_run()).heard_us(Site(10_000, 100, 500)) == pytest.approx(8 * DELIVERY_US)


def test_without_keepalive_no_pings_are_counted():
    assert Model(known_run()).terms(Site(2000, 100, 1, ping_s=0.0))["pings"] == 0


def test_memory_is_that_of_the_daemon_its_connections_and_its_rooms():
    assert Model(known_run()).memory_mib(Site(1024, 512, 1)) == pytest.approx(DAEMON_MIB + MEMBER_KIB + ROOM_KIB / 2)


def test_files_are_the_connections_and_what_the_daemon_was_seen_to_have_beside_them():
    assert Model(known_run([known_check()])).open_files(Site(500, 1, 1)) == 517


def test_a_check_is_predicted_without_pings():
    assert site_of(known_check(connections=40, rooms=4, rate=7)) == Site(40, 4, 7, 128, ping_s=0.0)
