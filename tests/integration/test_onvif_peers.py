"""ONVIF against devices and clients that we did not write, and across two hosts."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from capture.onvif import device as asking
from capture.onvif import events
from capture.onvif.client import OnvifClient
from capture.onvif.source import resolve
from kernel.clock import SECOND_US, SystemClock
from kernel.errors import SourceRefused
from kernel.model.footage import Codec
from kernel.settings import CaptureSettings, SourceSpec, load_cameras
from simulator.onvif_device import OnvifDevice, OnvifSettings
from simulator.onvif_replies import Stream
from tests.support.peers import free_port, missing

PEERS = Path(__file__).parents[2].parent / "shared" / "peers" / "onvif"
PASSWORD = "s3cret-word"
PROGRAM = [sys.executable, "-c", "from cli.main import main; main()"]
SKEW_S = 3600

StartPeer = Callable[..., int]


@pytest.fixture
def start_peer() -> Iterator[StartPeer]:
    """Starts devices that answer with a real camera's replies; gives the port."""
    if not PEERS.exists():
        missing("The ONVIF peer", f"{PEERS} is part of the shared peers")
    with ExitStack() as stack:

        def start(*options: str, host: str = "127.0.0.1", inside: tuple[str, ...] = ()) -> int:
            port = free_port()
            script = [sys.executable, "-u", str(PEERS / "onvif_replay.py"), str(PEERS / "replies")]
            login = ["--user", "admin", "--password", PASSWORD, "--skew", str(SKEW_S)]
            place = ["--host", host, "--port", str(port)]
            command = [*inside, *script, *place, *login, *options]
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"  # it listens a moment later
            if not inside:
                wait_for(port)
            return port

        yield start


def wait_for(port: int) -> None:
    clock = SystemClock()
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        clock.sleep(0.05)


def spec(port: int, password: str = PASSWORD) -> SourceSpec:
    return SourceSpec(
        id="cam",
        content_kind="room",
        uri=f"onvif://127.0.0.1:{port}",
        username="admin",
        password=password,
        label_zh="cam",
    )


async def test_a_camera_whose_clock_is_an_hour_off_is_understood(start_peer: StartPeer) -> None:
    port = start_peer("--stream", "rtsp://192.168.1.64:8554/seat", "--no-rewrite")
    async with OnvifClient(spec(port), CaptureSettings(), SystemClock()) as client:
        assert (await asking.information(client)).model == "Mockup Model"
        service = await asking.media(client)
        [profile] = service.profiles
        assert (profile.codec, profile.width, profile.height) == (Codec.H264, 1920, 1080)
        assert await asking.stream_uri(client, service, profile) == "rtsp://127.0.0.1:8554/seat"
        picture = await asking.snapshot_uri(client, service, profile)  # its reply is SOAP 1.1
        assert picture.startswith(f"http://127.0.0.1:{port}/onvif-cgi/jpg/image.cgi?")
        exact = await client.exact_clock()
        assert abs(exact.offset_us - SKEW_S * SECOND_US) < SECOND_US // 2


async def test_its_events_are_read(start_peer: StartPeer) -> None:
    port = start_peer()
    async with OnvifClient(spec(port), CaptureSettings(), SystemClock()) as client:
        point = await events.subscribe(client)
        seen = [event for _ in range(10) for event in await point.pull(1)]  # it reports at random
        await point.end()
    assert {event.kind for event in seen} == {events.EventKind.MOTION}


async def test_a_wrong_password_is_refused(start_peer: StartPeer) -> None:
    port = start_peer()
    with pytest.raises(SourceRefused) as caught:
        await resolve(spec(port, "wr0ng-word"), CaptureSettings(), SystemClock())
    assert "wr0ng-word" not in str(caught.value)


OTHER_CLIENT = """
import asyncio, sys
from datetime import timedelta
from onvif import ONVIFCamera

SETUP = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}

async def main():
    camera = ONVIFCamera("127.0.0.1", int(sys.argv[1]), "admin", sys.argv[2], adjust_time=True)
    await camera.update_xaddrs()
    device = await camera.create_devicemgmt_service()
    print((await device.GetDeviceInformation()).Manufacturer)
    media = await camera.create_media_service()
    [profile] = await media.GetProfiles()
    print(profile.VideoEncoderConfiguration.Resolution.Width)
    print((await media.GetStreamUri({"StreamSetup": SETUP, "ProfileToken": profile.token})).Uri)
    search = await camera.create_search_service()
    token = await search.FindRecordings({"Scope": {}, "KeepAliveTime": timedelta(seconds=10)})
    found = await search.GetRecordingSearchResults({"SearchToken": token})
    print(found.RecordingInformation[0].RecordingToken)
    replay = await camera.create_replay_service()
    print(await replay.GetReplayUri({"StreamSetup": SETUP, "RecordingToken": "hall"}))
    await camera.close()

asyncio.run(main())
"""


async def test_a_client_that_we_did_not_write_understands_our_simulated_device() -> None:
    """It checks every reply against the WSDL and schemas of ONVIF."""
    stream = Stream(
        token="hall", name="大厅", codec=Codec.H264, audio=Codec.AAC, width=1280, height=720, fps=25
    )
    device = OnvifDevice(
        [stream],
        stream_url=lambda token: f"rtsp://127.0.0.1:8554/{token}",
        replay_url=lambda token: f"rtsp://127.0.0.1:8554/{token}/replay",
        now_us=SystemClock().now_us,
        settings=OnvifSettings(username="admin", password=PASSWORD, skew_s=SKEW_S),
    )
    await device.start("127.0.0.1", 0)
    try:
        said = await _run(sys.executable, "-c", OTHER_CLIENT, str(device.port), PASSWORD)
    finally:
        await device.stop()
    assert said.splitlines() == [
        "Jianzheng",
        "1280",
        "rtsp://127.0.0.1:8554/hall",
        "hall",
        "rtsp://127.0.0.1:8554/hall/replay",
    ]


async def _run(*command: str) -> str:

    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


@pytest.fixture
def two_hosts() -> Iterator[None]:
    script = PEERS / "netns.sh"
    if not script.exists() or shutil.which("ip") is None or os.geteuid() != 0:
        missing("A network of two hosts", "run as root on Linux with iproute2 and the shared peers")
    subprocess.run(["bash", str(script), "up"], check=True)
    yield
    subprocess.run(["bash", str(script), "down"], check=True)


def discover(*options: str) -> str:
    command = ["ip", "netns", "exec", "nvr", *PROGRAM, "discover", "--timeout", "1.5", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def test_devices_of_another_host_are_found_and_written_down(
    two_hosts: None, start_peer: StartPeer, tmp_path: Path
) -> None:
    inside = ("ip", "netns", "exec", "cam")
    port = start_peer("--discovery", host="10.99.0.2", inside=inside)
    other = start_peer("--discovery", host="10.99.0.3", inside=inside)  # the same device on two addresses
    cameras = tmp_path / "cameras.yaml"
    shown = discover("--username", "admin", "--password", PASSWORD, "--write", str(cameras))
    assert "PREDATOR" in shown
    assert PASSWORD not in shown
    [spec] = load_cameras(cameras).specs()
    assert spec.uri in (f"onvif://10.99.0.2:{port}", f"onvif://10.99.0.3:{other}")
    assert spec.password.get_secret_value() == PASSWORD
    before = cameras.read_bytes()
    discover("--username", "admin", "--password", PASSWORD, "--write", str(cameras))
    assert cameras.read_bytes() == before
