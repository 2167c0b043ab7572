import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HEADER_BYTES, HEADERS } from "../limits.ts";
import { SpdyConnection } from "./connection.ts";
import { controlFrame, dataHeader, FrameParser, FrameType } from "./frames.ts";
import type { SpdyStream } from "./stream.ts";

let server: Server;
let sockets: Socket[];

/** Two ends of a TCP connection on loopback. */
async function pair(): Promise<[near: Socket, far: Socket]> {
  const arrived = once(server, "connection");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await arrived) as [Socket];
  sockets.push(near, far);
  return [near, far];
}

beforeEach(async () => {
  sockets = [];
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

const echo = (stream: SpdyStream) => {
  stream.reply();
  stream.on("error", () => stream.destroy());
  stream.pipe(stream);
};

describe("SPDY connections", () => {
  test("headers, data and ends pass on many streams", async () => {
    const [near, far] = await pair();
    const seen: string[] = [];
    const served = new SpdyConnection(far, {
      role: "server",
      onStream(stream) {
        seen.push(stream.headers["streamtype"]!);
        echo(stream);
      },
    });
    const client = new SpdyConnection(near, { role: "client", onStream: () => undefined });
    const types = ["error", "stdin", "stdout", "a type of some length"];
    const streams = await Promise.all(types.map((streamtype) => client.open({ streamtype })));
    const bodies = streams.map((stream, index) => {
      stream.end("x".repeat(index * 100_000));
      return text(stream);
    });
    expect((await Promise.all(bodies)).map((body) => body.length)).toEqual([
      0, 100_000, 200_000, 300_000,
    ]);
    expect(seen).toEqual(types);
    client.end();
    expect(await served.closed).toBeUndefined();
  });

  test.each([
    ["long headers", { long: "x".repeat(HEADER_BYTES) }],
    ["many headers", Object.fromEntries(Array.from({ length: HEADERS }, (_, i) => [`${i}`, ""]))],
  ])("a stream with %s, which it would keep, ends the connection", async (_, more) => {
    const [near, far] = await pair();
    const served = new SpdyConnection(far, { role: "server", onStream: echo });
    const client = new SpdyConnection(near, { role: "client", onStream: () => undefined });
    await client.open({ streamtype: "data", ...more });
    client.end();
    expect(await served.closed).toHaveProperty("message", expect.stringContaining("header block"));
  });

  test("what a server says at once comes after its reply, for each stream", async () => {
    const [near, far] = await pair();
    const order: string[] = [];
    const parser = new FrameParser();
    near.on("data", (chunk: Buffer) => {
      for (const frame of parser.push(chunk)) {
        if (frame.kind === "data") order.push(`data ${frame.streamId}${frame.fin ? " end" : ""}`);
        else order.push(`${frame.type} ${frame.payload.readUInt32BE(0)}`);
      }
    });
    new SpdyConnection(far, {
      role: "server",
      onStream(stream) {
        stream.reply();
        if (stream.headers["streamtype"] === "error") stream.end("no");
        else stream.destroy();
      },
    });
    const client = new SpdyConnection(near, { role: "client", onStream: () => undefined });
    await client.open({ streamtype: "error" });
    await client.open({ streamtype: "data" });
    const { synReply, rstStream } = FrameType;
    await expect
      .poll(() => order.filter((line) => / 1\b/.test(line)))
      .toEqual([`${synReply} 1`, "data 1", "data 1 end"]);
    await expect
      .poll(() => order.filter((line) => / 3\b/.test(line)))
      .toEqual([`${synReply} 3`, `${rstStream} 3`]);
  });

  test("a stream of a library's client is served, flow control and all", async () => {
    const [near, far] = await pair();
    new SpdyConnection(far, { role: "server", onStream: echo });
    // The peer, as it stands in the wild; it has no types.
    const { default: transport } = (await import("spdy-transport" as string)) as {
      default: { connection: { create(socket: Socket, options: object): PeerConnection } };
    };
    const peer = transport.connection.create(near, {
      protocol: "spdy",
      isServer: false,
      windowSize: 1 << 20,
    });
    peer.start(3.1);
    const size = 300_000;
    const body = await new Promise<string>((resolve, reject) => {
      peer.request({ method: "POST", path: "/", headers: {} }, (error, stream) => {
        if (error) return reject(error);
        text(stream).then(resolve, reject);
        stream.end("y".repeat(size));
      });
    });
    expect(body.length).toBe(size);
    peer.on("error", () => undefined);
  });

  test("a slow reader holds the sender back", async () => {
    const [near, far] = await pair();
    let stream: SpdyStream | undefined;
    const opened = new Promise<void>((resolve) => {
      new SpdyConnection(far, {
        role: "server",
        onStream(arrived) {
          stream = arrived;
          arrived.on("error", () => arrived.destroy());
          resolve();
        },
      });
    });
    const client = new SpdyConnection(near, { role: "client", onStream: () => undefined });
    const sending = await client.open({});
    await opened;
    const total = 64 << 20;
    let accepted = 0;
    const write = () => {
      while (accepted < total) {
        accepted += 1 << 20;
        if (!sending.write(Buffer.alloc(1 << 20))) return void sending.once("drain", write);
      }
      sending.end();
    };
    write();
    let received = 0;
    for await (const chunk of stream!) {
      if (received === 0) expect(accepted).toBeLessThan(total);
      received += (chunk as Buffer).length;
    }
    expect(received).toBe(total);
  });

  test.each([
    ["a frame that is too big", dataHeader(1, 0xffffff, false)],
    ["another version", Buffer.from([0x80, 2, 0, 1, 0, 0, 0, 0])],
    ["headers that are no zlib", controlFrame(FrameType.synStream, 0, Buffer.alloc(40, 1))],
    ["a control frame that is cut short", controlFrame(FrameType.ping, 0, Buffer.alloc(2))],
  ])("%s ends the connection, not the process", async (_, bytes) => {
    const [near, far] = await pair();
    const served = new SpdyConnection(far, { role: "server", onStream: echo });
    near.resume();
    near.write(bytes);
    expect(await served.closed).toBeInstanceOf(Error);
  });
});

interface PeerConnection {
  start(version: number): void;
  on(event: "error", listener: () => void): void;
  request(
    what: object,
    done: (error: Error | null, stream: import("node:stream").Duplex) => void,
  ): void;
}
