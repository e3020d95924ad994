"""Datagrams: order put right within bounds, strangers passed over."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capture.rtsp.udp import Reorderer, UdpPorts, open_ports
from kernel.errors import SourceUnreachable


def packet(number: int) -> bytes:
    return struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, 0, 7) + b"data"


def numbers(packets: list[bytes]) -> list[int]:
    return [struct.unpack_from(">H", one, 2)[0] for one in packets]


def pushed(order: Reorderer, given_numbers: list[int], now_us: int = 0) -> list[int]:
    return [found for one in given_numbers for found in numbers(order.push(packet(one), now_us))]


def test_packets_in_order_are_not_held_back() -> None:
    order = Reorderer()
    assert [pushed(order, [number]) for number in (65534, 65535, 0, 1)] == [[65534], [65535], [0], [1]]


def test_an_overtaken_packet_is_waited_for_and_put_into_its_place() -> None:
    order = Reorderer()
    assert pushed(order, [10, 12, 13]) == [10]
    assert pushed(order, [11]) == [11, 12, 13]
    assert order.late == 0


@given(st.integers(0, 65535), st.integers(2, 40), st.randoms(use_true_random=False))
def test_any_order_within_the_bounds_comes_out_right(start: int, count: int, chance: random.Random) -> None:
    sent = [start + index for index in range(1, count)]
    chance.shuffle(sent)
    order = Reorderer()
    assert pushed(order, [start, *sent]) == [(start + index) & 0xFFFF for index in range(count)]


def test_a_packet_that_does_not_come_is_given_up_in_time() -> None:
    order = Reorderer()
    assert pushed(order, [1, 3, 4, 7]) == [1]
    assert order.overdue(200_000) == []
    assert numbers(order.overdue(260_000)) == [3, 4, 7]
    assert pushed(order, [2, 8]) == [8]
    assert order.late == 1


def test_a_packet_that_does_not_come_is_given_up_when_too_many_wait() -> None:
    order = Reorderer()
    assert pushed(order, [0]) == [0]
    assert pushed(order, list(range(2, 514))) == []
    assert pushed(order, [514]) == list(range(2, 515))


def test_a_packet_that_comes_twice_is_handed_out_once() -> None:
    order = Reorderer()
    assert pushed(order, [5, 5, 7, 7, 6]) == [5, 6, 7]
    assert order.late == 2


def test_a_device_that_counts_anew_is_followed() -> None:
    order = Reorderer()
    assert pushed(order, [20_000, 20_002]) == [20_000]
    assert pushed(order, [100, 101]) == [20_002, 100, 101]


def test_what_is_no_rtp_goes_through() -> None:
    assert Reorderer().push(b"x", 0) == [b"x"]


class Taken:
    """Packets, and the channels by which they came (``Frames``)."""

    def __init__(self) -> None:
        self.packets: list[tuple[int, bytes]] = []

    def take(self, channel: int, payload: bytes) -> None:
        self.packets.append((channel, payload))

    def take_usual(self, data: bytes, start: int) -> int:
        return start


def taken(ports: UdpPorts) -> list[tuple[int, bytes]]:
    found = Taken()
    assert ports.take(found, 0) == len(found.packets)
    return found.packets


@pytest.fixture
def ports() -> Iterator[UdpPorts]:
    made = open_ports("127.0.0.1", 4, name="cam")
    yield made
    made.close()


@pytest.fixture
def device() -> Iterator[tuple[socket.socket, socket.socket]]:
    pair = []
    for _ in range(2):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        pair.append(made)
    yield pair[0], pair[1]
    for made in pair:
        made.close()


def test_ports_are_an_even_one_and_the_next(ports: UdpPorts) -> None:
    assert ports.port % 2 == 0


def test_only_the_devices_datagrams_are_taken(
    ports: UdpPorts, device: tuple[socket.socket, socket.socket]
) -> None:
    rtp, rtcp = device
    ports.expect(["127.0.0.1"], (rtp.getsockname()[1], rtcp.getsockname()[1]))
    stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stranger.bind(("127.0.0.2", 0))
    stranger.sendto(packet(1), ("127.0.0.1", ports.port))
    stranger.close()
    rtp.sendto(packet(3), ("127.0.0.1", ports.port))
    rtcp.sendto(b"report", ("127.0.0.1", ports.port + 1))
    assert taken(ports) == [(4, packet(3)), (5, b"report")]


def test_a_device_that_told_no_ports_is_known_by_its_address(
    ports: UdpPorts, device: tuple[socket.socket, socket.socket]
) -> None:
    ports.expect(["127.0.0.1"], None)
    device[0].sendto(packet(3), ("127.0.0.1", ports.port))
    assert taken(ports) == [(4, packet(3))]
    ports.expect(["192.0.2.1"], None)
    device[0].sendto(packet(4), ("127.0.0.1", ports.port))
    assert taken(ports) == []


def test_the_way_is_opened_and_reports_go_to_the_device(
    ports: UdpPorts, device: tuple[socket.socket, socket.socket]
) -> None:
    rtp, rtcp = device
    ports.expect(["127.0.0.1"], (rtp.getsockname()[1], rtcp.getsockname()[1]))
    assert rtp.recvfrom(100)[1] == ("127.0.0.1", ports.port)
    assert rtcp.recvfrom(100)[1] == ("127.0.0.1", ports.port + 1)
    ports.report(b"received")
    assert rtcp.recvfrom(100) == (b"received", ("127.0.0.1", ports.port + 1))


def test_an_address_that_is_not_ours_gives_no_ports() -> None:
    with pytest.raises(SourceUnreachable, match="cam"):
        open_ports("192.0.2.1", 0, name="cam")
