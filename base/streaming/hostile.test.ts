import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { deflateSync } from "node:zlib";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { acceptPortForward } from "./accept-port-forward.ts";
import { acceptRemoteCommand } from "./accept-remote-command.ts";
import { FRAME_BYTES } from "./limits.ts";
import { SPDY_DICTIONARY } from "./spdy/dictionary.ts";
import { controlFrame, dataHeader, FrameType, numbers } from "./spdy/frames.ts";
import { HeaderCodec } from "./spdy/headers.ts";

const clock = systemClock();
const ALL = { stdin: true, stdout: true, stderr: true, tty: false };

let server: Server;
let sessions = 0;
/** Errors that would have ended the process. */
const fatal: unknown[] = [];
/** Resolves when commands that do nothing are to end. */
let idle = Promise.withResolvers<void>();
const note = (thrown: unknown) => void fatal.push(thrown);

/** Echoes input, as a command that runs `cat` would; ports echo too. */
async function serve(request: IncomingMessage, socket: Socket, head: Buffer): Promise<void> {
  if (request.url!.startsWith("/portforward")) {
    await acceptPortForward(request, socket, head, {
      clock,
      ports: [80],
      onConnection: ({ data, error }) => {
        data.pipe(data);
        data.once("end", () => error.end());
      },
    });
    return;
  }
  const tty = request.url!.includes("tty");
  const streams = { ...ALL, tty, stderr: !tty };
  const remote = await acceptRemoteCommand(request, socket, head, { streams, clock });
  if (!remote) return;
  if (request.url!.includes("idle")) {
    // A command that never reads its input: whether its client is there is not seen while the
    // connection waits for a reader.
    if (!remote.gone.aborted) await Promise.race([once(remote.gone, "abort"), idle.promise]);
  } else {
    remote.stdin?.pipe(remote.stdout!, { end: false });
    const ended = remote.stdin ? once(remote.stdin, "close") : undefined;
    if (!remote.gone.aborted) await Promise.race([ended, once(remote.gone, "abort")]);
  }
  await remote.finish({ exitCode: 0 });
}

beforeAll(async () => {
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  server = createServer();
  server.on("upgrade", (request, socket, head) => {
    sessions++;
    socket.on("error", () => socket.destroy());
    serve(request, socket as Socket, head)
      .catch(() => socket.destroy())
      .finally(() => sessions--);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
  server.close();
});
afterEach(async () => {
  // Sessions end with their connections, and none leaves an error behind.
  await expect.poll(() => sessions).toBe(0);
  expect(fatal.splice(0)).toEqual([]);
});

type Upgrade = { path: string; headers: Record<string, string> };

const WEBSOCKET = {
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};
const webSocket = (path: string, protocol: string): Upgrade => ({
  path,
  headers: { ...WEBSOCKET, "Sec-WebSocket-Protocol": protocol },
});
const spdy = (path: string, protocol: string): Upgrade => ({
  path,
  headers: { Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": protocol },
});

const UPGRADES: Readonly<Record<string, Upgrade>> = {
  "exec over WebSocket 5": webSocket("/exec", "v5.channel.k8s.io"),
  "exec over WebSocket 4, base64": webSocket("/exec", "v4.base64.channel.k8s.io"),
  "exec over WebSocket 1": webSocket("/exec", "channel.k8s.io"),
  "exec over WebSocket 1, base64": webSocket("/exec", "base64.channel.k8s.io"),
  "exec over WebSocket without protocol": { path: "/exec", headers: WEBSOCKET },
  "exec without a reader over WebSocket": webSocket("/exec?idle", "v5.channel.k8s.io"),
  "a terminal over WebSocket": webSocket("/exec?tty", "v5.channel.k8s.io"),
  "port-forward over WebSocket": webSocket("/portforward", "v4.channel.k8s.io"),
  "port-forward over SPDY in WebSocket": webSocket("/portforward", "SPDY/3.1+portforward.k8s.io"),
  "exec over SPDY": spdy("/exec", "v4.channel.k8s.io"),
  "exec without a reader over SPDY": spdy("/exec?idle", "v4.channel.k8s.io"),
  "port-forward over SPDY": spdy("/portforward", "portforward.k8s.io"),
};

/** Sends an upgrade request, and these bytes with it or after its answer. */
async function open(upgrade: Upgrade, early: Buffer = Buffer.alloc(0)): Promise<Socket> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  const lines = Object.entries(upgrade.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const start = `GET ${upgrade.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n`;
  socket.write(Buffer.concat([Buffer.from(`${start}${lines.join("")}\r\n`), early]));
  if (early.length === 0) await once(socket, "data");
  return socket;
}

/** One frame as a client sends it. */
function frame(first: number, payload: Buffer, { masked = true } = {}): Buffer {
  const mask = masked ? 0x80 : 0;
  const { length } = payload;
  const head =
    length < 126
      ? Buffer.from([first, mask | length])
      : Buffer.from([first, mask | 127, 0, 0, 0, 0, ...u32(length)]);
  // A mask of zeros leaves the payload as it is.
  return Buffer.concat([head, Buffer.alloc(masked ? 4 : 0), payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const binary = (...payload: number[]) => frame(0x82, Buffer.from(payload));

const WEBSOCKET_ATTACKS: Readonly<Record<string, Buffer>> = {
  "a frame without a mask": frame(0x82, Buffer.of(0, 1), { masked: false }),
  "reserved bits": frame(0xf2, Buffer.of(0, 1)),
  "an unknown opcode": frame(0x83, Buffer.of(0, 1)),
  "a fragmented ping": frame(0x09, Buffer.of(1)),
  "a ping that is too long": frame(0x89, Buffer.alloc(126)),
  "a continuation of nothing": frame(0x80, Buffer.of(1)),
  "a message over the bound": Buffer.from([0x82, 0xff, 0x7f, ...Buffer.alloc(11, 0xff)]),
  "text that is no UTF-8": frame(0x81, Buffer.of(0xff, 0xfe)),
  "a close with an invalid code": frame(0x88, Buffer.of(0, 1)),
  "a close with one byte": frame(0x88, Buffer.of(3)),
  "data on a channel that was closed": Buffer.concat([
    binary(0, 0x61),
    binary(255, 0),
    binary(0, 0x62),
    binary(255, 0),
  ]),
  "a full channel closed and used again": Buffer.concat([
    ...Array.from({ length: 20 }, () => frame(0x82, Buffer.alloc(64 << 10))),
    binary(255, 0),
    binary(0, 1, 2, 3),
    binary(255, 0),
    binary(0, 1, 2, 3),
  ]),
  "base64 channels closed and used again": Buffer.concat([
    frame(0x81, Buffer.from("0YQ==")),
    frame(0x82, Buffer.of(255, 0)),
    frame(0x81, Buffer.from("0YQ==")),
  ]),
  "every channel closed, twice": Buffer.concat(
    Array.from({ length: 512 }, (_, index) => binary(255, index & 0xff)),
  ),
  "empty messages": Buffer.concat([frame(0x82, Buffer.alloc(0)), binary(255), binary(7)]),
  "sizes that are none": Buffer.concat([
    frame(0x82, Buffer.from('\x04{"Width":-1,"Height":1e9}')),
    frame(0x82, Buffer.from(`\x04${"{".repeat(5_000)}`)),
    frame(0x82, Buffer.from("\x04}}}}{}")),
  ]),
};

const codec = () => new HeaderCodec();
const streamHeaders = (streamtype: string) => ({ streamtype, port: "80", requestid: "1" });

async function syn(
  packer: HeaderCodec,
  id: number,
  streamtype: string,
  flags = 0,
): Promise<Buffer> {
  const block = await packer.pack(streamHeaders(streamtype));
  return controlFrame(FrameType.synStream, flags, Buffer.concat([u32(id), Buffer.alloc(6), block]));
}

const data = (id: number, bytes: Buffer, fin = false) =>
  Buffer.concat([dataHeader(id, bytes.length, fin), bytes]);

/** Opens the streams that exec or port-forward wait for. */
async function opened(packer: HeaderCodec): Promise<Buffer> {
  const types = ["error", "stdin", "stdout", "stderr", "data"];
  const frames: Buffer[] = [];
  for (const [index, type] of types.entries()) frames.push(await syn(packer, 2 * index + 1, type));
  return Buffer.concat(frames);
}

async function afterOpen(...rest: Buffer[]): Promise<Buffer> {
  return Buffer.concat([await opened(codec()), ...rest]);
}

const SPDY_ATTACKS: Readonly<Record<string, () => Promise<Buffer> | Buffer>> = {
  "another version": () => Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0]),
  "a frame over the bound": () => dataHeader(1, FRAME_BYTES + 1, false),
  "headers that are no zlib": () => controlFrame(FrameType.synStream, 0, Buffer.alloc(40, 1)),
  "a stream without headers": () => controlFrame(FrameType.synStream, 0, Buffer.alloc(4)),
  "headers that unpack to more than their bound": () => {
    const packed = deflateSync(Buffer.alloc(8 << 20), { dictionary: SPDY_DICTIONARY });
    return controlFrame(FrameType.synStream, 0, Buffer.concat([Buffer.alloc(10, 1), packed]));
  },
  "a header block that is cut short": async () => {
    const whole = await syn(codec(), 1, "error");
    return controlFrame(FrameType.synStream, 0, whole.subarray(8, whole.length - 9));
  },
  "a header block after zlib's end": async () => {
    const end = controlFrame(
      FrameType.synStream,
      0,
      Buffer.concat([u32(1), Buffer.alloc(6), deflateSync("", { dictionary: SPDY_DICTIONARY })]),
    );
    return Buffer.concat([end, await syn(codec(), 3, "error")]);
  },
  "a control frame that is cut short": () => controlFrame(FrameType.ping, 0, Buffer.alloc(2)),
  "the same stream twice": async () => {
    const packer = codec();
    return Buffer.concat([await syn(packer, 1, "error"), await syn(packer, 1, "error")]);
  },
  "streams of the server's side, and stream 0": async () => {
    const packer = codec();
    return Buffer.concat([await syn(packer, 2, "error"), await syn(packer, 0, "error")]);
  },
  "streams of unknown types": async () => {
    const packer = codec();
    const odd = await syn(packer, 1, "?");
    return Buffer.concat([odd, data(1, Buffer.from("x")), await opened(packer)]);
  },
  "data after the end of a stream": () =>
    afterOpen(
      data(3, Buffer.from("a"), true),
      data(3, Buffer.from("b")),
      data(3, Buffer.of(), true),
    ),
  "data after a reset": () =>
    afterOpen(
      controlFrame(FrameType.rstStream, 0, numbers(3, 5)),
      data(3, Buffer.from("b"), true),
      controlFrame(FrameType.rstStream, 0, numbers(3, 5)),
    ),
  "every stream reset at once": () =>
    afterOpen(...[1, 3, 5, 7, 9].map((id) => controlFrame(FrameType.rstStream, 0, numbers(id, 1)))),
  "every stream ended at once": () =>
    afterOpen(...[1, 3, 5, 7, 9].map((id) => data(id, Buffer.of(), true))),
  "a stream that is full, ended and reset": () =>
    afterOpen(
      ...Array.from({ length: 20 }, () => data(3, Buffer.alloc(64 << 10))),
      data(3, Buffer.of(), true),
      controlFrame(FrameType.rstStream, 0, numbers(3, 5)),
    ),
  "replies and headers for streams that are not there": async () => {
    const packer = codec();
    const block = await packer.pack({ a: "b" });
    return Buffer.concat([
      controlFrame(FrameType.synReply, 1, Buffer.concat([u32(99), block])),
      controlFrame(FrameType.headers, 1, Buffer.concat([u32(99), await packer.pack({ c: "d" })])),
      data(99, Buffer.from("x"), true),
    ]);
  },
};

/** Waits for a connection's end; a command that only waits ends before. */
async function over(socket: Socket): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once("close", resolve));
  idle.resolve();
  if (!socket.closed) await closed;
  idle = Promise.withResolvers<void>();
}

/** Sends bytes, then goes in each of three ways; also with the request itself, and cut off. */
async function attack(upgrade: Upgrade, bytes: Buffer): Promise<void> {
  for (const leave of ["end", "destroy", "resetAndDestroy"] as const) {
    const socket = await open(upgrade);
    socket.resume();
    await sent(socket, bytes);
    socket[leave]();
    await over(socket);
  }
  const early = await open(upgrade, bytes);
  early.resume();
  early.end();
  await over(early);
  const half = await open(upgrade);
  half.resume();
  await sent(half, bytes.subarray(0, bytes.length >> 1));
  half.resetAndDestroy();
  await over(half);
}

/** Sends data; resolves even when the other side ends before it has read all. */
const sent = (socket: Socket, bytes: Buffer) =>
  new Promise<void>((resolve) => socket.write(bytes, () => resolve()));

const cases = Object.entries(UPGRADES).flatMap(([name, upgrade]) => {
  const attacks = upgrade.headers["Upgrade"] === "websocket" ? WEBSOCKET_ATTACKS : SPDY_ATTACKS;
  return Object.entries(attacks).map(([what, bytes]) => ({ name, what, upgrade, bytes }));
});

test.each(cases)("$name: $what ends the session at most", async ({ upgrade, bytes }) => {
  await attack(upgrade, typeof bytes === "function" ? await bytes() : bytes);
});

test.each(Object.entries(SPDY_ATTACKS))(
  "port-forward over SPDY in WebSocket: within a message, %s",
  async (_, make) => {
    const bytes = await make();
    const upgrade = UPGRADES["port-forward over SPDY in WebSocket"]!;
    const messages: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += 60_000) {
      messages.push(frame(0x82, bytes.subarray(at, at + 60_000)));
    }
    await attack(upgrade, Buffer.concat(messages));
  },
);
