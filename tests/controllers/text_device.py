"""A device that knows a few lines of text: ``text_device.py client|server PORT``, with nothing of partgate in it.

The second implementation of docs/guides/digital-io.md for the contract test. It sends each HB line back, prints what
it gets, and sends what comes on its standard input; ``mute`` and ``hang up`` are for itself. It goes on with the next
connection when one ends, and says ``up`` at each.
"""

import os
import selectors
import socket
import sys
import time


def serve(line: socket.socket) -> None:
    with selectors.DefaultSelector() as ready:
        ready.register(line, selectors.EVENT_READ)
        ready.register(0, selectors.EVENT_READ)
        rest, is_mute = b"", False
        while True:
            for key, _ in ready.select():
                if key.fileobj == 0:
                    if not (typed := os.read(0, 4096)):
                        sys.exit()
                    if typed == b"hang up\n":
                        return
                    is_mute = is_mute or typed == b"mute\n"
                    if typed != b"mute\n":
                        line.sendall(typed)
                    print("ok", flush=True)
                    continue
                if not (piece := line.recv(4096)):
                    return
                *lines, rest = (rest + piece).split(b"\n")
                for text in lines:
                    print(text.decode(), flush=True)
                    if text.startswith(b"HB ") and not is_mute:
                        line.sendall(text + b"\r\n")


def main(role: str, port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port)) if role == "server" else None
    print("listening", flush=True)
    while True:
        try:
            with listener.accept()[0] if listener else socket.create_connection(("127.0.0.1", port)) as line:
                line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                print("up", flush=True)
                serve(line)
        except OSError:
            time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
