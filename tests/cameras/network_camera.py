"""A network camera as a process: MJPEG over HTTP, or RTSP with JPEG in RTP packets, of the pictures of a folder.

Written from RFC 2326 (RTSP), RFC 3550 (RTP) and RFC 2435 (JPEG in RTP), with nothing of partgate in it. One client at
a time. Every picture is baseline JPEG with the standard Huffman tables, as OpenCV writes it. Its port is the first line
of output. ``--tell`` names a file that holds how many pictures were sent.
"""

import argparse
import base64
import itertools
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PAYLOAD = 1400
_CLOCK = 90_000


def main() -> None:
    """Serve one client after another until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["http", "rtsp"])
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--password", default="")
    parser.add_argument("--count", type=int, help="hang up after so many pictures")
    parser.add_argument("--short-by", type=int, default=0, help="leave so many bytes of two in three pictures away")
    parser.add_argument("--lose", type=int, default=0, help="leave every so manieth RTP packet away")
    parser.add_argument("--same", action="store_true", help="send the first picture for ever")
    parser.add_argument("--only", choices=["tcp", "udp"], help="refuse the other transport of RTSP")
    parser.add_argument("--h264", action="store_true", help="RTSP over UDP: let ffmpeg send H.264 instead")
    parser.add_argument("--tell", type=Path)
    settings = parser.parse_args()
    with socket.create_server(("127.0.0.1", settings.port)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                try:
                    (serve_http if settings.kind == "http" else serve_rtsp)(client, settings)
                except OSError:
                    continue


def pictures(settings: argparse.Namespace) -> Iterator[bytes]:
    """Yield the pictures at their rate."""
    files = [path.read_bytes() for path in sorted(settings.folder.glob("*.jpg"))]
    files = files[:1] if settings.same else files
    due = time.monotonic()
    for number, data in itertools.islice(enumerate(itertools.cycle(files)), settings.count):
        time.sleep(max(0.0, due - time.monotonic()))
        due += 1 / settings.rate
        if settings.tell:
            with settings.tell.open("r+b") as file:
                file.write(b"%08d" % number)
        yield data[: len(data) - settings.short_by] if settings.short_by and number % 3 else data


def read_head(client: socket.socket) -> str:
    """Return a request, which ends with an empty line; interleaved packets of the client are skipped."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise ConnectionError
        if not head and byte == b"$":
            length = struct.unpack("!xH", client.recv(3, socket.MSG_WAITALL))[0]
            client.recv(length, socket.MSG_WAITALL)
            continue
        head += byte
    return head.decode()


def is_allowed(head: str, settings: argparse.Namespace) -> bool:
    """Tell whether user ``line`` came with the password."""
    wanted = base64.b64encode(f"line:{settings.password}".encode()).decode()
    return not settings.password or f"Authorization: Basic {wanted}" in head


def serve_http(client: socket.socket, settings: argparse.Namespace) -> None:
    """Answer one GET with pictures without end."""
    if not is_allowed(read_head(client), settings):
        client.sendall(
            b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="camera"\r\nContent-Length: 0\r\n\r\n'
        )
        return
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=part\r\n\r\n")
    for data in pictures(settings):
        client.sendall(b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data) + data + b"\r\n")


def serve_rtsp(client: socket.socket, settings: argparse.Namespace) -> None:
    """Hold the conversation of one client, then send until it leaves."""
    port = 0
    send: Callable[[bytes], object] = lambda packet: client.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)  # noqa: E731
    while True:
        head = read_head(client)
        method, number = head.split()[0], head.split("CSeq:")[1].split()[0]
        reply = ["RTSP/1.0 200 OK", f"CSeq: {number}"]
        body = ""
        if method == "DESCRIBE" and not is_allowed(head, settings):
            reply = ["RTSP/1.0 401 Unauthorized", f"CSeq: {number}", 'WWW-Authenticate: Basic realm="camera"']
        elif method == "OPTIONS":
            reply.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = (
                "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=parts\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=video 0 RTP/AVP {'96' if settings.h264 else '26'}\r\na=rtpmap:96 H264/90000\r\n"
                f"a=control:trackID=0\r\na=framerate:{settings.rate}\r\n"
            )
            reply += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            transport = head.split("Transport:")[1].splitlines()[0].strip()
            if settings.only and ("client_port=" in transport) != (settings.only == "udp"):
                reply = ["RTSP/1.0 461 Unsupported transport", f"CSeq: {number}"]
            elif "client_port=" in transport:
                port = int(transport.split("client_port=")[1].split("-")[0])
                udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                udp.bind(("127.0.0.1", 0))
                send = lambda packet, udp=udp, port=port: udp.sendto(packet, ("127.0.0.1", port))  # type: ignore[misc]  # noqa: E731
                own = udp.getsockname()[1]
                transport = f"RTP/AVP/UDP;unicast;client_port={port}-{port + 1};server_port={own}-{own + 1}"
            reply += [f"Transport: {transport}", "Session: 1"]
        else:
            reply.append("Session: 1")
        client.sendall(("\r\n".join(reply) + "\r\n\r\n" + body).encode())
        if method == "PLAY" and settings.h264:
            send_h264(client, settings.folder, port)
            return
        if method == "PLAY":
            for packet in rtp_packets(settings):
                send(packet)
            return


def send_h264(client: socket.socket, folder: Path, port: int) -> None:
    """Let ffmpeg send H.264 to a UDP port until the client hangs up."""
    source = ["-re", "-stream_loop", "-1", "-framerate", "20", "-i", str(folder / "%02d.jpg")]
    coded = ["-c:v", "libx264", "-g", "5", "-tune", "zerolatency", "-f", "rtp", f"rtp://127.0.0.1:{port}"]
    with subprocess.Popen(["ffmpeg", "-loglevel", "quiet", *source, *coded], stdout=subprocess.DEVNULL) as ffmpeg:
        try:
            while client.recv(100):
                pass
        finally:
            ffmpeg.kill()


def rtp_packets(settings: argparse.Namespace) -> Iterator[bytes]:
    """Yield the packets of all pictures, each with its own quantisation tables (RFC 2435, Q = 255)."""
    began = time.monotonic()
    sequence = itertools.count(1)
    for data in pictures(settings):
        scan, tables, height, width, kind = parse_jpeg(data)
        stamp = int((time.monotonic() - began) * _CLOCK) & 0xFFFFFFFF
        for offset in range(0, len(scan), _PAYLOAD):
            chunk = scan[offset : offset + _PAYLOAD]
            is_last = offset + _PAYLOAD >= len(scan)
            number = next(sequence)
            head = struct.pack("!BBHII", 0x80, 26 | (0x80 if is_last else 0), number & 0xFFFF, stamp, 1)
            head += struct.pack("!IBBBB", offset, kind, 255, width // 8, height // 8)
            if offset == 0:
                head += struct.pack("!BBH", 0, 0, len(tables)) + tables
            if not settings.lose or number % settings.lose:
                yield head + chunk


def parse_jpeg(data: bytes) -> tuple[bytes, bytes, int, int, int]:
    """Return scan, quantisation tables, height, width and RFC 2435 type (0: 4:2:2, 1: 4:2:0) of a baseline JPEG."""
    at, tables, height, width, kind = 2, b"", 0, 0, 1
    while True:
        marker, length = struct.unpack_from("!HH", data, at)
        segment = data[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            while segment:
                tables, segment = tables + segment[1:65], segment[65:]
        elif marker == 0xFFC0:
            height, width = struct.unpack_from("!HH", segment, 1)
            kind = 1 if segment[7] == 0x22 else 0
        elif marker == 0xFFDA:
            return data[at:].removesuffix(b"\xff\xd9"), tables, height, width, kind


if __name__ == "__main__":
    main()
