"""A PLC's data block on snap7's server: s7_plc.py PORT DB BYTES. Prints "up"; answers ``get`` and ``set BYTE HEX``."""

import sys

from snap7.server import Server
from snap7.type import SrvArea


def main(port: int, number: int, size: int) -> None:
    block = bytearray(size)  # shared with the server; another kind of array would be copied
    server = Server(log=False)
    server.host = "127.0.0.1"
    server.register_area(SrvArea.DB, number, block)
    server.start(tcp_port=port)
    print("up", flush=True)
    for line in sys.stdin:
        order = line.split()
        if order[0] == "set":
            content = bytes.fromhex(order[2])
            block[int(order[1]) : int(order[1]) + len(content)] = content
        print(block.hex(), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
