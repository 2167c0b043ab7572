import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { acceptRemoteCommand } from "./accept-remote-command.ts";
import { FLUSH_TIMEOUT_MS, PING_MS, STREAM_BUFFER_BYTES } from "./limits.ts";
import { SpdyConnection } from "./spdy/connection.ts";

/** More than the streams, the connection and the kernel's buffers of both sides take. */
const INPUT = Buffer.alloc(16 * STREAM_BUFFER_BYTES);

/** Lets the event loop do what is due. */
const turn = () => new Promise<void>((pass) => void setImmediate(pass));

let server: Server;
let clock: ManualClock;
beforeEach(async () => {
  clock = new ManualClock();
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterEach(() => server.close());

/** Serves a command that never reads its input; resolves with the client's and our connection. */
async function open(
  headers: Record<string, string>,
): Promise<{ client: Socket; ours: Socket; remote: ReturnType<typeof acceptRemoteCommand> }> {
  const asked = once(server, "upgrade") as Promise<[IncomingMessage, Socket, Buffer]>;
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const lines = Object.entries({ Host: "x", Connection: "Upgrade", ...headers });
  const text = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  client.write(`GET /exec HTTP/1.1\r\n${text}\r\n`);
  const [request, ours, head] = await asked;
  ours.on("error", () => ours.destroy());
  const streams = { stdin: true, stdout: true, stderr: false, tty: false };
  const remote = acceptRemoteCommand(request, ours, head, { streams, clock });
  await once(client, "data");
  return { client, ours, remote };
}

/** The client goes without a word, while its input waits for a reader. */
async function goes(client: Socket, ours: Socket, gone: AbortSignal): Promise<void> {
  let read = 0;
  const waits = () => {
    const before = read;
    read = ours.bytesRead;
    return read > STREAM_BUFFER_BYTES && read === before;
  };
  await waitFor("the connection to wait", waits);
  client.destroy();
  expect(gone.aborted).toBe(false);
  await waitFor("the end to be seen", () => {
    clock.advance(PING_MS);
    return gone.aborted || ours.destroyed;
  });
}

it("over WebSocket a client that goes is noticed, though its input is not read", async () => {
  const { client, ours, remote } = await open({
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(STREAM_BUFFER_BYTES));
  for (let at = 0; at < INPUT.length; at += STREAM_BUFFER_BYTES) {
    const message = INPUT.subarray(at, at + STREAM_BUFFER_BYTES);
    client.write(Buffer.concat([Buffer.from([0x82, 0xff]), length, Buffer.alloc(4), message]));
  }
  const { gone } = (await remote)!;
  await goes(client, ours, gone);
});

it("over SPDY a client that goes is noticed, though its input is not read", async () => {
  const { client, ours, remote } = await open({
    Upgrade: "SPDY/3.1",
    "X-Stream-Protocol-Version": "v4.channel.k8s.io",
  });
  const connection = new SpdyConnection(client, { role: "client", onStream: () => undefined });
  const streams = [];
  for (const streamtype of ["error", "stdin", "stdout"]) {
    streams.push(await connection.open({ streamtype }));
  }
  const { gone } = (await remote)!;
  streams[1]!.write(INPUT);
  await goes(client, ours, gone);
  await expect.poll(() => gone.aborted).toBe(true);
});

it("over SPDY a client that reads slowly gets all of the output of a command that has ended", async () => {
  const { client, ours, remote } = await open({
    Upgrade: "SPDY/3.1",
    "X-Stream-Protocol-Version": "v4.channel.k8s.io",
  });
  const connection = new SpdyConnection(client, { role: "client", onStream: () => undefined });
  const [error, , stdout] = await Promise.all(
    ["error", "stdin", "stdout"].map((streamtype) => connection.open({ streamtype })),
  );
  const command = (await remote)!;
  client.pause();
  command.stdout!.write(INPUT);
  const over = command.finish({ exitCode: 0 });
  for (let i = 0; i < 10; i++) {
    await turn();
    clock.advance(FLUSH_TIMEOUT_MS);
  }
  client.resume();
  const [output, status] = await Promise.all([buffer(stdout!), text(error!)]);
  expect([output.length, status]).toEqual([INPUT.length, expect.stringContaining("Success")]);
  // The client ends the connection: what one in Go has not looked at is lost when the server does.
  for (let i = 0; i < 10; i++) await turn();
  expect(ours.writableEnded).toBe(false);
  connection.end();
  await over;
  expect(ours.writableEnded).toBe(true);
});
