"""MQTT 5: results, state and the last will to a broker.

Topics below the configured one: ``/result`` (QoS 1, not retained) and ``/status`` (QoS 1, retained; last will:
offline). Every message has an expiry, which counts from the moment the station gave it, not from the one it was sent.
One message is on its way at a time, so the order is kept; where an answer was lost it is sent again with the same
``id``. The session is clean, nothing is stored for the station, and it subscribes to nothing: no message from outside
changes anything. On a lost connection the broker publishes the will, and so it does when the station ends. Tried with
mosquitto 2.0.

Source:
    OASIS, MQTT Version 5.0 (2019): 3.1.2.5 will, 3.3.2.3.3 message expiry, 3.14.2.1 disconnect with will message.
"""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from partgate.configfile import Host
from partgate.errors import PublishError
from partgate.publish.base import PublisherConfig
from partgate.publish.messages import Message, encode_offline
from partgate.publish.tls import TlsFiles, certificate_problem
from partgate.secrets import SecretSource

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_PORT, _TLS_PORT = 1883, 8883
_WITH_WILL = 0x04  # reason of a DISCONNECT
_BUSY = (0x88, 0x89, 0x97, 0x9F)  # reasons that pass by themselves: unavailable, busy, quota, connection rate
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _plain_topic(topic: str) -> str:
    if re.search(r"[+#\x00-\x1f]", topic) or topic.startswith(("$", "/")) or topic.endswith("/"):
        raise ValueError("must be a topic such as plant/line-1: no + or #, no / at its ends, no $ at its start")
    return topic


class MqttConfig(PublisherConfig):
    """Which broker, and who the station is there."""

    KIND: ClassVar[str] = "mqtt"
    SOUND_AFTER_S: ClassVar[float] = 30  # two stations with one client id throw each other out, again and again

    kind: Literal["mqtt"]
    host: Host = Field(min_length=1, description="name or address of the broker")
    port: int | None = Field(default=None, ge=1, le=65535, description="TCP port; if unset 8883 with tls, 1883 without")
    topic: Annotated[str, AfterValidator(_plain_topic)] = Field(
        min_length=1, max_length=200, description="results go to TOPIC/result, the state to TOPIC/status"
    )
    client_id: str | None = Field(
        default=None, min_length=1, max_length=100, description="id at the broker, of this station alone; from its name"
    )
    user: str | None = Field(default=None, min_length=1, description="user at the broker")
    password: SecretSource | None = Field(default=None, description="where the user's password lies: env or file")
    tls: TlsFiles | None = Field(default=None, description="encrypt, and check whom one talks to; {} is the defaults")
    keepalive_s: int = Field(
        default=15, ge=5, le=600, description="a broker that hears nothing for 1.5 times as long publishes the will"
    )
    timeout_s: float = Field(default=5, gt=0, le=60, description="longest wait for connection or answer, in seconds")

    @model_validator(mode="after")
    def _password_has_a_user(self) -> Self:
        if self.password is not None and self.user is None:
            raise ValueError("a password needs a user")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port or (_PORT if self.tls is None else _TLS_PORT)

    @property
    def sends_secret_in_plain(self) -> bool:
        """Tell whether the password would be readable on the network."""
        return self.password is not None and self.tls is None and self.host not in _LOOPBACK

    def open(self, station: str, *, is_trial: bool = False) -> "MqttPublisher":
        """Return the publisher that these settings describe."""
        return MqttPublisher(self, station, is_trial)


class MqttPublisher:
    """Publishes to a broker; not thread-safe, its outbox owns it and drives the library's loop.

    A stable client id lets the broker end an old half-open connection of ours, and publish its will, before the new one
    says anything. As a trial it has an id of its own and no will.
    """

    def __init__(self, config: MqttConfig, station: str, is_trial: bool = False) -> None:
        self.config = config
        self._station, self._is_trial = station, is_trial
        own = config.client_id or "partgate-" + re.sub(r"[^0-9A-Za-z-]", "-", station)
        self._client_id = own + "-test" if is_trial else own
        self._client: Client | None = None
        self._welcome: ReasonCode | None = None
        self._farewell: ReasonCode | None = None
        self._answers: dict[int, ReasonCode] = {}

    def __str__(self) -> str:
        host, port = self.config.address
        return f"publisher '{self.config.name}' (mqtt {host}:{port})"

    def __enter__(self) -> Self:
        client = self._make_client()
        host, port = self.config.address
        self._welcome = self._farewell = None
        try:
            client.connect(host, port, self.config.keepalive_s, clean_start=True)
        except (OSError, ValueError) as error:  # ValueError: a name that can be none
            if problem := certificate_problem(error):
                raise PublishError(f"{self}: {problem}", is_refused=True) from error
            hint = "are port and TLS right" if self.config.tls else "does it want TLS"
            raise PublishError(
                f"{self}: no connection ({error or type(error).__name__}); is the broker running, and {hint}?"
            ) from error
        self._client = client
        try:
            self._wait_until(lambda: self._welcome is not None, "the connection")
            self._check_welcome()
        except PublishError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Say good-bye: the broker publishes the will."""
        client, self._client = self._client, None
        if client is None:
            return
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.reasoncodes import ReasonCode

        try:
            if client.is_connected():
                client.disconnect(ReasonCode(PacketTypes.DISCONNECT, identifier=0 if self._is_trial else _WITH_WILL))
        except OSError:
            pass  # the connection is gone: the broker finds out by itself
        finally:
            line = client.socket()
            if line is not None:
                line.close()

    def publish(self, message: Message, valid_s: float) -> None:
        """Publish below the topic, and return when the broker has acknowledged."""
        client = self._connected()
        properties = self._properties("PUBLISH", valid_s)
        topic, is_status = f"{self.config.topic}/{message.kind}", message.kind == "status"
        self._answers.clear()
        try:
            sent = client.publish(topic, message.body, qos=1, retain=is_status, properties=properties)
        except (OSError, ValueError) as error:
            raise PublishError(f"{self}: {message.kind} not sent: {error}") from error
        self._wait_until(lambda: sent.mid in self._answers, f"a {message.kind}")
        answer = self._answers[sent.mid]
        if answer.is_failure:
            raise PublishError(f"{self}: {topic} is refused ({answer}); has user {self.config.user!r} the right to "
                               "publish there?", is_refused=answer.value not in _BUSY)  # fmt: skip

    def tend(self) -> None:
        """Answer and ask the broker for a sign of life."""
        self._turn(self._connected(), 0.0)

    def _make_client(self) -> "Client":
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise PublishError(
                f"{self}: needs the library paho-mqtt: pip install 'partgate[mqtt]'", is_refused=True
            ) from error
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.connect_timeout = self.config.timeout_s
        if self.config.user is not None:
            password = self.config.password.read().get_secret_value() if self.config.password else None
            client.username_pw_set(self.config.user, password)
        if self.config.tls is not None:
            client.tls_set_context(self.config.tls.context())
        if not self._is_trial:
            will = encode_offline(self._station)
            properties = self._properties("WILLMESSAGE", self.config.expire_after_s)
            client.will_set(f"{self.config.topic}/status", will.body, qos=1, retain=True, properties=properties)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    @staticmethod
    def _properties(packet: str, valid_s: float) -> "Properties":
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = int(valid_s)
        properties.PayloadFormatIndicator = 1  # UTF-8
        properties.ContentType = "application/json"
        return properties

    def _on_connect(self, _c: Any, _u: Any, _flags: Any, reason: "ReasonCode", _properties: Any) -> None:
        self._welcome = reason

    def _on_publish(self, _c: Any, _u: Any, mid: int, reason: "ReasonCode", _properties: Any) -> None:
        self._answers[mid] = reason

    def _on_disconnect(self, _c: Any, _u: Any, _flags: Any, reason: "ReasonCode", _properties: Any) -> None:
        if self._farewell is None:  # the broker's own reason comes first, the library's "unspecified" behind it
            self._farewell = reason

    def _check_welcome(self) -> None:
        if self._welcome is None or not self._welcome.is_failure:
            return
        raise PublishError(f"{self}: the broker refuses user {self.config.user!r}, client id {self._client_id!r}: "
                           f"{self._welcome}; look at user, password and the broker's rights",
                           is_refused=self._welcome.value not in _BUSY)  # fmt: skip

    def _connected(self) -> "Client":
        if self._client is None:
            raise PublishError(f"{self}: is not connected")
        return self._client

    def _wait_until(self, is_there: Callable[[], bool], what: str) -> None:
        """Drive the library until something came.

        Raises:
            PublishError: If the connection is lost or the time is over.
        """
        client, deadline = self._connected(), time.monotonic() + self.config.timeout_s
        while not is_there():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise PublishError(f"{self}: {what} was not acknowledged within {self.config.timeout_s:g} s; is this "
                                   "an MQTT 5 broker, and is it overloaded?")  # fmt: skip
            self._turn(client, left_s, is_there)

    def _turn(self, client: "Client", wait_s: float, is_there: Callable[[], bool] = lambda: False) -> None:
        try:
            code = client.loop(wait_s)
        except (OSError, ValueError) as error:
            raise PublishError(f"{self}: connection lost ({error})") from error
        if code == 0 or is_there():
            return
        raise PublishError(
            f"{self}: connection lost ({self._farewell or code}); is the broker running, and is the client id "
            f"{self._client_id!r} that of this station alone?"
        )
