import { once } from "node:events";
import { constants, createSecureServer, type Http2ServerResponse } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { text } from "node:stream/consumers";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { afterEach, describe, expect, test } from "vitest";
import { listening } from "../../../testing/listening.ts";
import {
  CONNECT_TIMEOUT_MS,
  CONNECTION_WINDOW_BYTES,
  DRAINING_MS_MAX,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  STREAMS_PER_CONNECTION_MAX,
} from "../limits.ts";
import { KubeClient } from "../rest/client.ts";
import { http2Transport } from "./http2.ts";

const CANCEL = constants.NGHTTP2_CANCEL;
const clock = systemClock();
const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Requests by PUT, which the servers of a test do not read. */
const asked = { unread: 0 };

/** A client of a server that answers every other request so, over HTTP/2. */
async function serve(
  answer: (response: Http2ServerResponse) => void,
  created: { ca?: string } = {},
  clientClock: Clock = clock,
): Promise<KubeClient> {
  const now_ms = clock.now();
  const ca = await createCa({ commonName: "ca", days: 1, now_ms });
  created.ca = ca.cert;
  const about = { commonName: "server", usages: ["server" as const], ipAddresses: ["127.0.0.1"] };
  const { cert, key } = await issueCertificate(ca, { ...about, days: 1 }, now_ms);
  const server = createSecureServer({ cert, key });
  server.on("request", (request, response) => {
    if (request.method === "PUT") asked.unread++;
    else request.resume().on("end", () => answer(response));
  });
  const port = await listening(server);
  const url = `https://127.0.0.1:${port}`;
  const client = new KubeClient({ server: url, ca: ca.cert, clock: clientClock });
  cleanups.push(() => {
    client.close();
    return new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return client;
}

/** Carries a balancer's connection on to a server. */
function passOn(socket: Socket, server: string): void {
  const { hostname, port } = new URL(server);
  const backend = connect(Number(port), hostname);
  pipeline(socket, backend, () => undefined);
  pipeline(backend, socket, () => undefined);
}

test("a request is answered beside large ones that the server does not read yet", async () => {
  const client = await serve((response) => response.end("{}"));
  const body = "a".repeat(2 ** 21);
  asked.unread = 0;
  const puts = Array.from({ length: 16 }, () => client.send({ method: "PUT", path: "/", body }));
  const outcomes = Promise.allSettled(puts);
  await expect.poll(() => asked.unread).toBe(puts.length);
  expect(await client.request({ method: "GET", path: "/lease" })).toEqual({});
  client.close();
  await outcomes;
});

test("a server sends events of a megabyte before they are read", async () => {
  const all: Promise<unknown>[] = [];
  const windows: (number | undefined)[] = [];
  const client = await serve((response) => {
    windows.push(response.stream.session?.state.remoteWindowSize);
    all.push(once(response.stream, "finish"));
    response.end(Buffer.alloc(2 ** 20));
  });
  const watches = await Promise.all(
    ["a", "b", "c"].map((name) => client.open({ method: "GET", path: `/${name}` })),
  );
  await Promise.all(all);
  expect(windows[0]).toBe(CONNECTION_WINDOW_BYTES);
  for (const { body } of watches) body.destroy();
});

test("a request whose connection a balancer ends before TLS is sent again", async () => {
  const created = { ca: "" };
  const client = await serve((response) => response.end("answered"), created);
  const refusing = createServer((socket) => void socket.destroy());
  const port = await listening(refusing);
  const by = new KubeClient({ server: `https://127.0.0.1:${port}`, ca: created.ca, clock });
  cleanups.push(() => {
    by.close();
    refusing.close();
  });
  const asked = by.requestText({ method: "POST", path: "/", body: {}, timeout_ms: 20_000 });
  await once(refusing, "connection");
  refusing.removeAllListeners("connection");
  refusing.on("connection", (socket) => passOn(socket, client.server));
  expect(await asked).toBe("answered");
});

test("a connection that is silent while much is written to it is left for a new one", async () => {
  const created = { ca: "" };
  const { server } = await serve((response) => response.end("answered"), created);
  const balancer = createServer((socket) => passOn(socket, server));
  const port = await listening(balancer);
  const manual = new ManualClock();
  const silenced = once(balancer, "connection") as Promise<[Socket]>;
  const url = `https://127.0.0.1:${port}`;
  const transport = http2Transport({ server: url, ca: created.ca }, manual);
  cleanups.push(() => {
    transport.close();
    balancer.close();
  });
  const ask = async (path: string) => {
    const about = { method: "GET", path, headers: {}, timeout_ms: 10 * PING_INTERVAL_MS };
    return (await transport.fetch(about)).body.toString();
  };
  expect(await ask("/")).toBe("answered");
  const [silent] = await silenced;
  silent.unpipe().pause();
  cleanups.push(() => void silent.destroy());
  // More than the kernel keeps for a peer that reads nothing.
  const unread = Array.from({ length: STREAMS_PER_CONNECTION_MAX - 1 }, () =>
    ask(`/${"x".repeat(60_000)}`),
  );
  const outcomes = Promise.allSettled(unread);
  await nextTurn();
  manual.advance(PING_INTERVAL_MS);
  manual.advance(PING_TIMEOUT_MS);
  expect((await outcomes).map(({ status }) => status)).toEqual(unread.map(() => "rejected"));
  expect(await ask("/")).toBe("answered");
});

test("a connection whose server is lost in the handshake is left for a new one", async () => {
  const created = { ca: "" };
  const { server } = await serve((response) => response.end("answered"), created);
  const balancer = createServer();
  const port = await listening(balancer);
  const manual = new ManualClock();
  const url = `https://127.0.0.1:${port}`;
  const transport = http2Transport({ server: url, ca: created.ca }, manual);
  cleanups.push(() => {
    transport.close();
    balancer.close();
  });
  const request = { method: "GET", path: "/", headers: {}, timeout_ms: 2 * CONNECT_TIMEOUT_MS };
  const accepted = once(balancer, "connection") as Promise<[Socket]>;
  const lost = expect(transport.fetch(request)).rejects.toMatchObject({ code: "ETIMEDOUT" });
  const [silent] = await accepted;
  const closed = once(silent.on("error", () => undefined).resume(), "close");
  balancer.on("connection", (socket) => passOn(socket, server));
  manual.advance(CONNECT_TIMEOUT_MS);
  await Promise.all([lost, closed]);
  expect((await transport.fetch(request)).body.toString()).toBe("answered");
});

describe("an answer over HTTP/2", () => {
  test.each([
    ["GET", 20],
    ["POST", 20],
    ["GET", 500_000],
    ["POST", 500_000],
  ])("to a %s is whole however late it is read (%i words)", async (method, count) => {
    const words = "all of it ".repeat(count);
    const client = await serve((response) => response.end(words));
    const body = method === "POST" ? { some: "object" } : undefined;
    const answer = await client.open({ method, path: "/", body });
    // It has come as a whole when the next one, on the same connection, has.
    for (let i = 0; i < 3; i++) await client.requestText({ method: "GET", path: "/" });
    expect(await text(answer.body)).toBe(words);
  });

  test.each([
    ["the connection breaks", ({ stream }: Http2ServerResponse) => stream.session!.destroy()],
    ["the server resets it", ({ stream }: Http2ServerResponse) => stream.close(CANCEL)],
  ])("that is cut short because %s is an error", async (_why, cut) => {
    const client = await serve((response) => {
      response.write("the first half", () => setImmediate(() => cut(response)));
    });
    const answer = await client.open({ method: "GET", path: "/" });
    const broken = { name: "TransportError", code: "ECONNRESET" };
    await expect(text(answer.body)).rejects.toMatchObject(broken);
    await expect(client.requestText({ method: "GET", path: "/" })).rejects.toMatchObject(broken);
  });

  test("that stops half-way ends at the deadline, or when its request is canceled", async () => {
    const client = await serve((response) => void response.write("the first half"));
    const request = { method: "GET", path: "/" };
    await expect(client.requestText({ ...request, timeout_ms: 50 })).rejects.toMatchObject({
      code: "ETIMEDOUT",
    });
    const end = new AbortController();
    const canceled = client.requestText({ ...request, signal: end.signal });
    const outcome = expect(canceled).rejects.toMatchObject({ code: "ECANCELED" });
    setImmediate(() => end.abort());
    await outcome;
  });

  test("that is cut short before it is read is an error of its reader", async () => {
    const client = await serve((response) => {
      response.write("the first half", () => setImmediate(() => response.stream.close(CANCEL)));
    });
    const { body } = await client.open({ method: "GET", path: "/" });
    await expect.poll(() => body.errored).not.toBeNull();
    await expect(text(body)).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("that goes on over a connection that the server ends is cut some time later", async () => {
    const manual = new ManualClock();
    const left = Promise.withResolvers<unknown>();
    const answer = ({ stream }: Http2ServerResponse) => {
      const session = stream.session!;
      // The client answers one with its own.
      left.resolve(once(session, "goaway"));
      stream.respond();
      stream.write("the first half", () => session.goaway());
    };
    const client = await serve(answer, {}, manual);
    const { body } = await client.open({ method: "GET", path: "/" });
    const cut = expect(text(body)).rejects.toMatchObject({ code: "ETIMEDOUT" });
    await left.promise;
    for (let ms = 0; ms < DRAINING_MS_MAX; ms += PING_TIMEOUT_MS) {
      manual.advance(PING_TIMEOUT_MS);
      await nextTurn();
    }
    await cut;
  });
});
