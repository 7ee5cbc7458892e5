from __future__ import annotations

from support.wire import TEXT, Wire, frame, masked


def count_writes(wire):
    """The sizes of what the transport is given from now on, one for each write."""
    sizes, write = [], wire.transport.write

    def counting(data):
        sizes.append(len(data))
        write(data)

    wire.transport.write = counting
    return sizes


def make_rooms(rooms, members):
    wires = [Wire()]
    wires += [Wire(beside=wires[0]) for _ in range(rooms * members - 1)]
    for index, wire in enumerate(wires):
        wire.connection.join(f"room/{index // members}")
    return wires, [count_writes(wire) for wire in wires]


def test_a_burst_of_publishes_in_one_turn_is_one_write_for_each_member():
    wires, writes = make_rooms(1, 50)
    for number in range(16):
        wires[0].hub.topics.publish("room/0", f"message {number}")
    assert [[]] * 50 == writes
    wires[0].settle()
    burst = b"".join(frame(TEXT, f"message {number}".encode()) for number in range(16))
    assert [[len(burst)]] * 50 == writes
    assert {burst} == {wire.sent for wire in wires}


def test_so_it_is_in_many_rooms_whose_members_publish_in_the_same_turn():
    wires, writes = make_rooms(100, 10)
    for number in range(4):
        for room in range(100):
            wires[0].hub.topics.publish(f"room/{room}", f"{room}/{number}")
    wires[0].settle()
    assert [1] * 1000 == [len(each) for each in writes]
    assert [b"".join(frame(TEXT, f"{index // 10}/{number}".encode()) for number in range(4)) for index in range(1000)] == [wire.sent for wire in wires]


def test_the_replies_to_the_messages_of_one_read_are_one_write():
    wire = Wire()
    writes = count_writes(wire)
    wire.read(masked(TEXT, b"hello") * 16)
    assert [len(frame(TEXT, b"hello") * 16)] == writes
