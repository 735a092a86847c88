"""A graph that gives less: what is computed for dropped outputs alone is taken out with them.

ONNX Runtime computes every node of a graph, whether it is asked for what comes of it or not (measured with 1.32; its
run option ``only_execute_path_to_fetches`` changes nothing in the builds for inference). A line PC asks for the
probabilities alone.

The bytes are read as protobuf's wire format, without the library ``onnx``: a line PC has none.
"""

from collections.abc import Iterator, Sequence

_GRAPH = 7  # in ModelProto
_NODE, _OUTPUT = 1, 12  # in GraphProto
_NAME = 1  # in ValueInfoProto
_READS, _GIVES, _ATTRIBUTE = 1, 2, 5  # in NodeProto
_SUBGRAPHS = (6, 11)  # in AttributeProto
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_Field = tuple[int, int, int, int]  # number, where it starts, where its content starts, where it ends


def keep_outputs(model: bytes, names: Sequence[str]) -> bytes:
    """Return the model with those of its outputs that are named, and the nodes that they need.

    Args:
        model: ONNX bytes. What is no model comes back as it is: whoever loads it says so better. So does a graph that
            holds graphs (a condition, a loop), which may read any value, and one without any of the outputs.
        names: Of the outputs to keep; unknown ones are passed over.

    Source:
        Protocol Buffers, "Encoding" (wire format); onnx.proto (field numbers).
    """
    view = memoryview(model)
    try:
        graphs = [field for field in _fields(view) if field[0] == _GRAPH]
        if len(graphs) != 1:
            return model
        _, head_at, begin, end = graphs[0]
        dropped = _find_unneeded(view[begin:end], {name.encode() for name in names})
    except ValueError:
        return model
    edges = [begin, *(begin + edge for cut in dropped for edge in cut), end]
    kept = [view[edges[i] : edges[i + 1]] for i in range(0, len(edges), 2)]
    head = _write_varint(_GRAPH << 3 | _BYTES) + _write_varint(sum(map(len, kept)))
    return b"".join([view[:head_at], head, *kept, view[end:]])


def _find_unneeded(graph: memoryview, names: set[bytes]) -> list[tuple[int, int]]:
    """Return where the outputs without these names and the nodes that only they need stand, in order.

    Raises:
        ValueError: If the bytes are no graph, or one that is left alone.
    """
    fields = [field for field in _fields(graph) if field[0] in (_NODE, _OUTPUT)]
    needed, dropped = set[bytes](), []
    for number, start, begin, end in fields:
        if number == _OUTPUT:
            (name,) = _texts(graph[begin:end], _NAME)[:1] or [b""]
            if name in names:
                needed.add(name)
            else:
                dropped.append((start, end))
    if not needed:
        raise ValueError("graph must have one of the outputs")
    for number, start, begin, end in reversed(fields):  # nodes stand before those that read what they give
        if number != _NODE:
            continue
        node = graph[begin:end]
        if _has_subgraph(node):
            raise ValueError("graph must not hold graphs")
        if needed.isdisjoint(_texts(node, _GIVES)):
            dropped.append((start, end))
        else:
            needed.update(_texts(node, _READS))
    return sorted(dropped)


def _texts(message: memoryview, wanted: int) -> list[bytes]:
    return [bytes(message[begin:end]) for number, _, begin, end in _fields(message) if number == wanted]


def _has_subgraph(node: memoryview) -> bool:
    attributes = (node[begin:end] for number, _, begin, end in _fields(node) if number == _ATTRIBUTE)
    return any(number in _SUBGRAPHS for attribute in attributes for number, *_ in _fields(attribute))


def _fields(message: memoryview) -> Iterator[_Field]:
    """Give the fields of a message.

    Raises:
        ValueError: If the bytes are no message.
    """
    at = 0
    while at < len(message):
        start = at
        tag, begin = _read_varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _read_varint(message, begin)
        elif kind == _BYTES:
            length, begin = _read_varint(message, begin)
            at = begin + length
        elif kind in (_FIXED_32, _FIXED_64):
            at = begin + (4 if kind == _FIXED_32 else 8)
        else:
            raise ValueError(f"kind of field must be 0, 1, 2 or 5, got {kind}")
        if at > len(message):
            raise ValueError(f"field must end within {len(message)} bytes, got {at}")
        yield tag >> 3, start, begin, at


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(min(_LONGEST_VARINT, len(message) - at)):
        byte = message[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise ValueError(f"number at byte {at} must end within {_LONGEST_VARINT} bytes")


def _write_varint(value: int) -> bytes:
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    content.append(value)
    return bytes(content)
