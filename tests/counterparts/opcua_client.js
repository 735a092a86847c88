// A robot cell as OPC UA client on node-opcua: node opcua_client.js URL words|methods PARTS USER PASSWORD FOLDER
//
// FOLDER holds own.pem, own.key and server.pem: Basic256Sha256 with SignAndEncrypt. With methods it calls StartSingleJob
// whenever the station is ready, waits for the event ResultReady and acknowledges it; with words it writes its words
// every 50 ms and reads the station's. Its sign of life is a subscription to VIS_HB. It prints JSON lines:
// {"up": true}, {"result": {...}} for each part, {"done": true}.
"use strict";
const path = require("path");
const {
  OPCUAClient, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, UserTokenType, AttributeIds, DataType,
  TimestampsToReturn, constructEventFilter, ObjectIds, resolveNodeId, Variant, StatusCodes,
} = require("node-opcua");
const { readCertificate } = require("node-opcua-crypto");

const [url, mode, parts, user, password, folder] = process.argv.slice(2);
const AUTOMATIC = "ns=2;s=VisionSystem.VisionStateMachine.AutomaticModeStateMachine";
const say = (what) => console.log(JSON.stringify(what));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const node = (word) => `ns=2;s=Partgate.${word}`;
const text = (value) => ({ dataType: DataType.String, value });
const word = (value) => ({ dataType: DataType.UInt16, value });

async function call(session, method, given) {
  const answer = await session.call({ objectId: AUTOMATIC, methodId: `${AUTOMATIC}.${method}`, inputArguments: given });
  return answer.outputArguments ? answer.outputArguments.map((found) => found.value) : [answer.statusCode.name];
}

async function byMethods(session, subscription) {
  const fields = ["2:JobId", "2:ResultState", "2:PartId", "2:Lane", "2:MeasId"];
  const events = [];
  const item = await subscription.monitor(
    { nodeId: resolveNodeId("Server"), attributeId: AttributeIds.EventNotifier },
    { filter: constructEventFilter(fields, [resolveNodeId(ObjectIds.BaseEventType)]), queueSize: 10, discardOldest: true },
    TimestampsToReturn.Both,
  );
  item.on("changed", (values) => events.push(values.map((found) => found.value)));
  say({ missing: await call(session, "StartSingleJob", []) });
  say({ wrong: await call(session, "StartSingleJob", [text("m"), word(1), word(0), text("")]) });
  for (let part = 1; part <= Number(parts); ) {
    const [job, error] = await call(session, "StartSingleJob", [text("m1"), text(`P-${part}`), word(0), text("")]);
    if (error !== 0) { await pause(20); continue; }
    const [, again] = await call(session, "StartSingleJob", [text(""), text(""), word(0), text("")]);
    while (!events.length || events[0][0] === null) await pause(5);
    const [id, state, name, lane] = events.shift();
    const [acknowledged] = await call(session, "AcknowledgeResult", [text(id)]);
    say({ result: { job, id, state, name, lane, again, acknowledged } });
    part += 1;
  }
}

async function byWords(session) {
  const boot = 1 + Math.floor(Math.random() * 65000);
  let sequence = 0, acknowledged = 0, heartbeat = 0;
  const write = async () => {
    const values = { PLC_BOOT: boot, CMD: 1, WINDOW_MS: 2000, ACK_SEQ: acknowledged, TRIG_SEQ: sequence };
    heartbeat += 1;
    values.PLC_HB = heartbeat;
    const given = Object.entries(values).map(([name, value]) => (
      { nodeId: node(name), attributeId: AttributeIds.Value, value: { value: word(value) } }));
    const found = await session.write(given);
    if (found.some((status) => status !== StatusCodes.Good)) throw new Error(found.map((status) => status.name).join());
  };
  for (let part = 0; part < Number(parts); ) {
    await write();
    await pause(50);
    const block = (await session.read({ nodeId: node("STATION"), attributeId: AttributeIds.Value })).value.value;
    if (sequence === acknowledged && block[8] & 2) {
      sequence += 1;
    } else if (block[1] === sequence && block[5] === boot && sequence !== acknowledged) {
      acknowledged = sequence;
      part += 1;
      say({ result: { sequence, verdict: block[2], lane: block[4], check: block[7] } });
    }
  }
  await write();
}

async function main() {
  const manager = new OPCUACertificateManager({
    rootFolder: path.join(folder, "node-client"), automaticallyAcceptUnknownCertificate: true,
  });
  await manager.initialize();
  const client = OPCUAClient.create({
    applicationUri: "urn:test:node-client",
    endpointMustExist: false,
    securityMode: MessageSecurityMode.SignAndEncrypt,
    securityPolicy: SecurityPolicy.Basic256Sha256,
    certificateFile: path.join(folder, "own.pem"),
    privateKeyFile: path.join(folder, "own.key"),
    serverCertificate: readCertificate(path.join(folder, "server.pem")),
    clientCertificateManager: manager,
    connectionStrategy: { maxRetry: 0 },
  });
  await client.connect(url);
  const session = await client.createSession({ type: UserTokenType.UserName, userName: user, password });
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 50, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 2, publishingEnabled: true,
  });
  await subscription.monitor(
    { nodeId: node("VIS_HB"), attributeId: AttributeIds.Value }, { samplingInterval: 50, queueSize: 1 },
    TimestampsToReturn.Neither,
  );
  say({ up: true });
  await (mode === "methods" ? byMethods(session, subscription) : byWords(session));
  say({ done: true });
  await session.close();
  await client.disconnect();
  process.exit(0);
}

main().catch((error) => { say({ refused: error.message }); process.exit(1); });
