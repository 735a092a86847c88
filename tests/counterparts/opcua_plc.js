// A PLC's OPC UA server on node-opcua: node opcua_plc.js PORT FOLDER [USER PASSWORD]
//
// FOLDER takes its keys and certificates (plc.der, plc.key; made at the first start). With a user it accepts nothing but
// Basic256Sha256 with SignAndEncrypt; the client's certificate must lie in FOLDER/trusted/certs. It prints JSON lines:
// {"up": CERTIFICATE'S PATH}, and {"result": {...}} with all the station's words whenever RES_SEQ is written.
"use strict";
const path = require("path");
const {
  OPCUAServer, OPCUACertificateManager, MessageSecurityMode, SecurityPolicy, Variant, DataType, StatusCodes,
} = require("node-opcua");

const [port, folder, user, password] = process.argv.slice(2);
const STATION = ["VIS_HB", "RES_SEQ", "VERDICT", "CLASS", "LANE", "RES_BOOT", "REASON", "CHECK", "STATE", "FAULT",
  "RECIPE_ACTIVE"];
const PLC = { PLC_HB: 0, TRIG_SEQ: 0, ACK_SEQ: 0, CMD: 1, RECIPE: 0, WINDOW_MS: 200, PLC_BOOT: 3 };

async function main() {
  const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: false });
  await manager.initialize();
  const certificateFile = path.join(folder, "own/certs/plc.pem");
  const secure = user !== undefined;
  const server = new OPCUAServer({
    port: Number(port),
    hostname: "127.0.0.1",
    host: "127.0.0.1",
    serverCertificateManager: manager,
    userCertificateManager: manager,
    certificateFile,
    privateKeyFile: manager.privateKey,
    serverInfo: { applicationUri: "urn:test:node-plc" },
    securityModes: [secure ? MessageSecurityMode.SignAndEncrypt : MessageSecurityMode.None],
    securityPolicies: [secure ? SecurityPolicy.Basic256Sha256 : SecurityPolicy.None],
    allowAnonymous: !secure,
    userManager: { isValidUser: (name, given) => name === user && given === password },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const own = space.getOwnNamespace();
  const holder = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Partgate" });
  const values = Object.assign(Object.fromEntries(STATION.map((name) => [name, 0])), PLC);
  for (const name of Object.keys(values)) {
    own.addVariable({
      componentOf: holder, nodeId: `s=Partgate.${name}`, browseName: name, dataType: "UInt16",
      minimumSamplingInterval: 10,
      value: {
        get: () => new Variant({ dataType: DataType.UInt16, value: values[name] }),
        set: (variant) => {
          values[name] = variant.value;
          if (name === "RES_SEQ") {
            values.ACK_SEQ = variant.value;
            console.log(JSON.stringify({ result: Object.fromEntries(STATION.map((word) => [word, values[word]])) }));
          }
          return StatusCodes.Good;
        },
      },
    });
  }
  setInterval(() => { values.PLC_HB = (values.PLC_HB + 1) % 65536; }, 100);
  await server.start();
  console.log(JSON.stringify({ up: certificateFile }));
}

main().catch((error) => { console.error(error); process.exit(1); });
