import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server } from "node:net";
import { text } from "node:stream/consumers";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { PING_MS, STREAM_BUFFER_BYTES } from "@raft2kube/streaming/limits.ts";
import { SpdyConnection } from "@raft2kube/streaming/spdy/connection.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { FORWARDED_OF_NAMESPACE, FORWARDED_OF_POD } from "../limits.ts";
import { portForwardHandler } from "./port-forward.ts";
import { StreamingServer } from "./server.ts";

const clock = systemClock();
let streaming: StreamingServer;
let pod: Server;
/** Whether the pod reads nothing of what it is sent, and says nothing. */
let isSilent = false;

beforeEach(async () => {
  streaming = new StreamingServer(clock, () => undefined);
  await streaming.open();
  isSilent = false;
  pod = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    if (!isSilent) socket.resume().end("hello");
  });
  pod.listen(0, "127.0.0.1");
  await once(pod, "listening");
});
afterEach(async () => {
  pod.close();
  await streaming.close();
});

/** Opens a connection to a pod with the host's network. */
async function open(sandboxId: string, namespace: string, clock: Clock) {
  const runtime = { streaming, clock, sandboxes: { get: () => ({}) } };
  type Runtime = Parameters<typeof portForwardHandler>[0];
  const streamed = { sandboxId, namespace };
  const handler = portForwardHandler(runtime as unknown as Runtime, streamed, []);
  const url = new URL(streaming.offer("portforward", streamed, handler));
  const socket = connect(Number(url.port), "127.0.0.1");
  const upgrade = "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n";
  socket.write(`POST ${url.pathname} HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
  await once(socket, "data");
  const connection = new SpdyConnection(socket, { role: "client", onStream: () => undefined });
  const headers = { port: `${(pod.address() as AddressInfo).port}`, requestid: "0" };
  const error = await connection.open({ ...headers, streamtype: "error" });
  const data = await connection.open({ ...headers, streamtype: "data" });
  return { socket, connection, data, error };
}

/** Forwards one connection; returns its data and its error. */
async function forward(sandboxId: string, namespace: string): Promise<[string, string]> {
  const { connection, data, error } = await open(sandboxId, namespace, clock);
  error.end();
  data.end();
  const answers = await Promise.all([text(data), text(error)]);
  connection.end();
  await connection.closed;
  return answers;
}

it("a pod and a namespace have their share of forwarded connections", async () => {
  const take = (sandboxId: string, count: number) =>
    Array.from({ length: count }, () => {
      return streaming.forwarded.take({ name: sandboxId }, { name: "team" }) as () => void;
    });
  const [first] = take("a", FORWARDED_OF_POD);
  const [data, error] = await forward("a", "team");
  expect([data, error]).toEqual(["", expect.stringContaining("connections of sandbox a")]);
  expect(await forward("b", "team")).toEqual(["hello", ""]);
  take("b", FORWARDED_OF_NAMESPACE - FORWARDED_OF_POD);
  expect((await forward("c", "team"))[1]).toContain("connections of namespace team");
  expect(await forward("d", "other")).toEqual(["hello", ""]);
  first!();
  // One that has ended gives its part back.
  for (let i = 0; i < 2; i++) expect(await forward("a", "team")).toEqual(["hello", ""]);
});

it("a connection to a pod that does not read ends after its client has gone", async () => {
  isSilent = true;
  const time = new ManualClock();
  const connected = once(pod, "connection");
  const { socket, data } = await open("a", "team", time);
  await connected;
  data.on("error", () => undefined);
  const isFull = () => streaming.forwarded.take({ name: "a" }, { name: "team" }) === "owner";
  while (!isFull());
  // More than the stream and the kernel's buffers of both sides take.
  data.write(Buffer.alloc(32 * STREAM_BUFFER_BYTES));
  let sent = 0;
  const waits = () => {
    const before = sent;
    sent = socket.bytesWritten;
    return sent > STREAM_BUFFER_BYTES && sent === before;
  };
  await waitFor("the connection to wait", waits);
  socket.destroy();
  const hasPlace = () => {
    time.advance(PING_MS);
    return !isFull();
  };
  await waitFor("its place", hasPlace);
});
