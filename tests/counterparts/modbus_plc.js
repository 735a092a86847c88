// A PLC as Modbus TCP client, on one of two libraries: node modbus_plc.js jsmodbus|modbus-serial PORT FIRST PARTS
// Writes its words every 20 ms, announces so many parts one after the other, judges each result with a sum of its own,
// prints "SEQUENCE LANE" and acknowledges. Connects again when it is cut. Ended by its parent.
const net = require("net");
const [library, port, first, parts] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const me = { heartbeat: 0, trigger: 0, acknowledged: 0 };

async function jsmodbus() {
  const modbus = require("jsmodbus");
  const socket = new net.Socket();
  const client = new modbus.client.TCP(socket, 1, 1000);
  await new Promise((done, fail) => socket.once("error", fail).connect(port, "127.0.0.1", done));
  socket.on("error", () => {});
  return {
    read: async (from, count) => (await client.readHoldingRegisters(from, count)).response.body.valuesAsArray,
    write: (from, words) => client.writeMultipleRegisters(from, words),
    close: () => socket.destroy(),
  };
}

async function modbusSerial() {
  const ModbusRTU = require("modbus-serial");
  const client = new ModbusRTU();
  client.on("error", () => {});
  await client.connectTCP("127.0.0.1", { port });
  client.setTimeout(1000);
  return {
    read: async (from, count) => (await client.readHoldingRegisters(from, count)).data,
    write: (from, words) => client.writeRegisters(from, words),
    close: () => client.destroy(() => {}),
  };
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function scan(link) {
  me.heartbeat = (me.heartbeat + 1) % 65536;
  const said = await link.read(first, 11);
  const [, sequence, verdict, kind, lane, boot, reason, check, state] = said;
  const sum = (sequence + 3 * verdict + 7 * kind + 11 * lane + 13 * boot + 17 * reason + 42330) % 65536;
  if (me.trigger !== me.acknowledged && sequence === me.trigger && boot === 9 && check === sum) {
    console.log(`${sequence} ${verdict === 1 ? lane : 0}`);
    me.acknowledged = sequence;
  } else if (me.trigger === me.acknowledged && me.trigger < parts && (state & 3) === 3) {
    me.trigger += 1;
  }
  await link.write(first + 16, [me.heartbeat, me.trigger, me.acknowledged, 1, 0, 200, 9]);
}

(async () => {
  for (;;) {
    let link = null;
    try {
      link = await (library === "jsmodbus" ? jsmodbus() : modbusSerial());
      for (;;) {
        await scan(link);
        await sleep(20);
      }
    } catch (error) {
      if (link) link.close();
      await sleep(50);
    }
  }
})();
