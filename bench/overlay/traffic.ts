// Sends and takes TCP streams, as a process in a network namespace:
//   traffic.ts serve PORT
//   traffic.ts stream ADDRESS PORT STREAMS SECONDS      prints bytes per second
//   traffic.ts echo ADDRESS PORT SECONDS                prints microseconds for each round trip
import { connect, createServer, type Socket } from "node:net";

const CHUNK = Buffer.alloc(256 << 10);
const PING = Buffer.alloc(64, 1);
const STREAM = 0;

function serve(port: number): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    let streams: boolean | undefined;
    let bytes = 0;
    socket.on("error", () => socket.destroy());
    socket.on("data", (data: Buffer) => {
      streams ??= data[0] === STREAM;
      bytes += data.length;
      if (!streams) socket.write(data);
    });
    socket.on("end", () => socket.end(streams ? String(bytes) : ""));
  });
  server.on("error", (error) => {
    throw error;
  });
  server.listen(port, () => process.stdout.write("ready\n"));
}

function opened(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true });
    socket.on("error", reject);
    socket.once("connect", () => resolve(socket));
  });
}

/** Writes for `seconds`; resolves with the bytes that the other end took. */
async function stream(address: string, port: number, seconds: number): Promise<number> {
  const socket = await opened(address, port);
  const end_ms = performance.now() + seconds * 1_000;
  let answer = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    answer += text;
  });
  const write = () => {
    while (performance.now() < end_ms) if (!socket.write(CHUNK)) return;
    socket.end();
  };
  socket.on("drain", write);
  write();
  await new Promise((resolve) => socket.once("close", resolve));
  return Number(answer);
}

async function echo(address: string, port: number, seconds: number): Promise<number> {
  const socket = await opened(address, port);
  const begun_ms = performance.now();
  let trips = 0;
  await new Promise<void>((resolve) => {
    let left = PING.length;
    socket.on("data", (data: Buffer) => {
      left -= data.length;
      if (left > 0) return;
      trips++;
      left = PING.length;
      if (performance.now() - begun_ms >= seconds * 1_000) return resolve();
      socket.write(PING);
    });
    socket.write(PING);
  });
  const took_ms = performance.now() - begun_ms;
  socket.destroy();
  return (took_ms * 1_000) / trips;
}

const [mode, ...words] = process.argv.slice(2);
if (mode === "serve") serve(Number(words[0]));
else {
  const [address = "", port, ...numbers] = words;
  let result: number;
  if (mode === "stream") {
    const [streams = 1, seconds = 1] = numbers.map(Number);
    const begun_ms = performance.now();
    const all = Array.from({ length: streams }, () => stream(address, Number(port), seconds));
    const bytes = (await Promise.all(all)).reduce((sum, each) => sum + each, 0);
    result = bytes / ((performance.now() - begun_ms) / 1_000);
  } else result = await echo(address, Number(port), Number(numbers[0]));
  process.stdout.write(`${result}\n`);
}
