"""A robot's program on plain sockets, knowing nothing of partgate: ``robot.py client|server PORT`` answers each line.

The second implementation of docs/guides/tcp.md for the contract test; it keeps the last result in ACK_SEQ without
judging it, and goes on with the next connection when one ends.
"""

import json
import socket
import sys
import time


def answer(line: socket.socket) -> None:
    words = {"PLC_HB": 0, "TRIG_SEQ": 0, "ACK_SEQ": 0, "CMD": 1, "PLC_BOOT": 3}
    rest = b""
    while piece := line.recv(65536):
        *asked, rest = (rest + piece).split(b"\n")
        for text in asked:
            said = json.loads(text)
            words["ACK_SEQ"] = said.get("RES_SEQ", words["ACK_SEQ"])
            words["PLC_HB"] = (words["PLC_HB"] + 1) % 65536
            whole = json.dumps({**words, "ASK": said["ASK"]}).encode() + b"\n"
            line.sendall(whole[:9])  # in two pieces, as a network may deliver it
            line.sendall(whole[9:])


def main(role: str, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port)) if role == "server" else None
    print("up", flush=True)
    while True:
        try:
            with listener.accept()[0] if listener else socket.create_connection(("127.0.0.1", port)) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                answer(line)
        except OSError:
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
