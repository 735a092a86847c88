"""A PLC's OPC UA server on asyncua, in a process of its own: ``opcua_plc.py PORT SETTINGS`` (JSON, all may be missing).

``layout`` words or arrays, ``without`` names of missing nodes, ``kinds`` other types by name, ``read_only`` names,
``lengths`` of arrays, ``values`` at the start, ``security`` folder with plc.der and plc.key, ``user``, ``password``.
It prints a line of JSON when it is up, and one for each Write: names and values in the order of the request.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.callback import CallbackType
from asyncua.crypto.permission_rules import User, UserRole

STATION = ["VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE", "FAULT"]
WORDS = [*STATION, "RECIPE_ACTIVE", "PLC_HB", "TRIG_SEQ", "ACK_SEQ", "CMD", "RECIPE", "WINDOW_MS", "PLC_BOOT"]
TEXTS = ("PART_ID", "LOT")
ARRAYS = {"STATE": 4, "RESULT": 7, "CONTROLLER": 40}


class Users:
    def __init__(self, user: str, password: str) -> None:
        self.known = (user, password)

    def get_user(self, iserver, username=None, password=None, certificate=None):
        return User(UserRole.User, username) if (username, password) == self.known else None


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


async def main(port: int, settings: dict) -> None:
    user = settings.get("user")
    server = Server(user_manager=Users(user, settings["password"]) if user else None)
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    await server.set_application_uri(settings.get("uri", "urn:test:plc"))
    policy = ua.SecurityPolicyType.NoSecurity
    if "security" in settings:
        folder, policy = Path(settings["security"]), ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
        await server.load_certificate(folder / "plc.der")
        await server.load_private_key(folder / "plc.key", format="pem")
    server.set_security_policy([policy])
    index = await server.register_namespace("urn:test")
    names = {}
    folder = await server.nodes.objects.add_object(ua.NodeId("Partgate", index), "Partgate")
    arrays = settings.get("layout") == "arrays"
    for name in ARRAYS if arrays else [*WORDS, *TEXTS]:
        if name in settings.get("without", ()):
            continue
        kind = settings.get("kinds", {}).get(name, "String" if name in TEXTS else "UInt16")
        value = "" if kind == "String" else 0
        if arrays:
            value = [value] * settings.get("lengths", {}).get(name, ARRAYS[name])
        value = settings.get("values", {}).get(name, value)
        node = await folder.add_variable(ua.NodeId(f"Partgate.{name}", index), name, value, ua.VariantType[kind])
        if name not in settings.get("read_only", ()):
            await node.set_writable()
        names[node.nodeid] = name

    async def told(event, _) -> None:
        if event.is_external:
            items = event.request_params.NodesToWrite
            say(write=[[names.get(item.NodeId, "?"), item.Value.Value.Value] for item in items])

    server.subscribe_server_callback(CallbackType.PreWrite, told)
    async with server:
        say(up=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(int(sys.argv[1]), json.loads(sys.argv[2])))
