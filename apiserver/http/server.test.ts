import { once } from "node:events";
import { type ClientHttp2Stream, connect } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { connect as connectTls } from "node:tls";
import { FLAG, FRAME, PREFACE } from "@raft2kube/h2/frame.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { rawFrame } from "../../testing/raw-client.ts";
import { isProbed } from "../../testing/tcp-state.ts";
import { waitFor } from "../../testing/wait.ts";
import { type ConnectionLimits, showOwner } from "./connection-shares.ts";
import { ApiHttpServer, type ServerTimeouts } from "./server.ts";

const BODY = Buffer.alloc(4 << 20, "x");

async function serveBodies(timeouts?: ServerTimeouts, connections?: ConnectionLimits) {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "test", days: 1, now_ms });
  const wanted = { commonName: "api", usages: ["server" as const], ipAddresses: ["127.0.0.1"] };
  const server = await ApiHttpServer.listen({
    listen: [{ host: "127.0.0.1", port: 0 }],
    tls: await issueCertificate(ca, { ...wanted, days: 1 }, now_ms),
    clientCa: ca.cert,
    listener: {
      handle: (request, response) => {
        if (request.headers.authorization) showOwner(request);
        response.end(BODY);
      },
      upgrade: (_request, response) => response.writeHead(401).end(),
    },
    ...(timeouts ? { timeouts } : {}),
    ...(connections ? { connections } : {}),
  });
  const credentials = (commonName: string, organizations: readonly string[] = []) =>
    issueCertificate(ca, { commonName, organizations, usages: ["client"], days: 1 }, now_ms);
  const url = `https://127.0.0.1:${server.addresses[0]?.port}`;
  return { server, credentials, ca: ca.cert, url };
}

it("takes requests of a client that has large answers still to read", async () => {
  const { server, ca, url } = await serveBodies();
  const session = connect(url, { ca });
  try {
    const answers: ClientHttp2Stream[] = [];
    for (let i = 0; i < 12; i++) {
      const stream = session.request({ ":path": `/${i}` });
      answers.push(stream);
      await once(stream, "response");
    }
    for (const stream of answers) expect((await buffer(stream)).length).toBe(BODY.length);
  } finally {
    session.destroy();
    await server.close();
  }
});

it("ends the connection of an upgrade that it refuses, whatever the client sends", async () => {
  const { server, ca } = await serveBodies();
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap");
  const before = sockets().length;
  for (let i = 0; i < 3; i++) {
    const socket = connectTls({ ...server.addresses[0]!, ca, ALPNProtocols: ["http/1.1"] });
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    expect(String(await once(socket, "data"))).toMatch(/^HTTP\/1\.1 401 /);
    socket.end("x");
    await once(socket, "close");
  }
  await waitFor("the server's ends", () => sockets().length <= before || undefined);
  await server.close();
});

it("has the kernel ask a client that sends nothing whether it is still there", async () => {
  const { server, ca } = await serveBodies();
  const socket = connectTls({ ...server.addresses[0]!, ca, ALPNProtocols: ["http/1.1"] });
  await once(socket, "secureConnect");
  const { localPort, remotePort } = socket;
  await waitFor("probes", () => isProbed(remotePort!, localPort!));
  socket.destroy();
  await server.close();
});

const GET_1 = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/** A type of frame that a receiver passes over (RFC 9113, 4.1). */
const UNKNOWN = 99;
/** GET https://x/, by HPACK's static table. */
const REQUEST = Buffer.from([0x82, 0x87, 0x84, 0x41, 0x01, 0x78]);
const GET = rawFrame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, REQUEST);
/** The start of a connection with the largest windows. */
const START = Buffer.concat([
  PREFACE,
  rawFrame(FRAME.SETTINGS, 0, 0, Buffer.from([0, 4, 0x40, 0, 0, 0])),
  rawFrame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.from([0x40, 0, 0, 0])),
]);

it.each([
  ["while a request is under way", [GET]],
  ["without a request", []],
])("ends the connection of a client that goes away %s, and sends on", async (_, requests) => {
  const soon = { handshake_ms: 1_000, headers_ms: 1_000, request_ms: 1_000, idle_ms: 60_000 };
  const { server, ca } = await serveBodies({ ...soon, check_ms: 100 });
  const address = { ...server.addresses[0]!, allowHalfOpen: true };
  const socket = connectTls({ ...address, ca, ALPNProtocols: ["h2"] });
  const goAway = rawFrame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8));
  socket.on("error", () => undefined).resume();
  socket.write(Buffer.concat([START, ...requests, goAway]));
  await once(socket, "end");
  // It fails to write as well.
  const closed = new Promise((resolve) => void socket.on("close", resolve));
  const sending = setInterval(() => socket.write(rawFrame(UNKNOWN, 0, 0, Buffer.alloc(1_000))), 5);
  await closed;
  clearInterval(sending);
  await server.close();
});

describe("a server that drains", () => {
  const REQUEST = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

  it.each([
    ["answers, and ends with it,", false, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*connection: close/im],
    ["refuses with Retry-After", true, /^HTTP\/1\.1 429 .*\r\n(.*\r\n)*retry-after: 5/im],
  ])("%s what comes on a connection with a request under way", async (_what, refuses, wanted) => {
    const { server, ca } = await serveBodies();
    const socket = connectTls({ ...server.addresses[0]!, ca, ALPNProtocols: ["http/1.1"] });
    socket.write(REQUEST);
    await once(socket, "readable");
    server.drain(refuses);
    socket.write(REQUEST);
    const answers = (await buffer(socket)).toString("latin1");
    const second = answers.slice(answers.indexOf("\r\n\r\n") + 4 + BODY.length);
    expect(second.slice(0, 1_000)).toMatch(wanted);
    await server.close();
  });

  it("lets an HTTP/2 client finish, and take its next request elsewhere", async () => {
    const { server, ca, url } = await serveBodies();
    const session = connect(url, { ca });
    const stream = session.request({ ":path": "/" });
    await once(stream, "response");
    const left = once(session, "goaway");
    server.drain();
    await left;
    const closed = once(session, "close");
    expect((await buffer(stream)).length).toBe(BODY.length);
    await closed;
    await server.close();
  });
});

describe("idle connections", () => {
  const patience = { clock: systemClock(), timeout_ms: 60_000 };
  const connections = {
    handshakes: { all: 4, ofAddress: 2 },
    unknown: { all: 3, ofAddress: 2 },
    open: { all: 6, each: 2, reserved: 2 },
  };
  const sockets: Socket[] = [];
  let served: Awaited<ReturnType<typeof serveBodies>>;
  beforeEach(async () => {
    served = await serveBodies(undefined, connections);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await served.server.close();
  });

  function kept(socket: Socket): Socket {
    socket.on("error", () => socket.destroy());
    sockets.push(socket.resume());
    return socket;
  }

  /** Connects, and returns whether a request on the connection is answered. */
  async function stays(
    user?: { cert: string; key: string },
    localAddress = "127.0.0.1",
    request: string | Buffer = GET_1,
  ) {
    const {
      ca,
      server: {
        addresses: [at],
      },
    } = served;
    const ALPNProtocols = [typeof request === "string" ? "http/1.1" : "h2"];
    const init = { ...at!, ca, ...user, localAddress, ALPNProtocols };
    const socket = kept(connectTls(init));
    socket.write(request);
    return await new Promise<boolean>((resolve) => {
      let bytes = 0;
      socket.on("data", ({ length }: Buffer) => (bytes += length) > BODY.length && resolve(true));
      socket.once("close", () => resolve(false));
    });
  }

  it("are bounded for each user and address, and leave a reserve to nodes", async () => {
    const [a, b] = [await served.credentials("a"), await served.credentials("b")];
    const node = await served.credentials("system:node:n1", ["system:nodes"]);
    expect([await stays(a), await stays(a), await stays(a)]).toEqual([true, true, false]);
    expect([await stays(), await stays(), await stays()]).toEqual([true, true, false]);
    expect([await stays(b), await stays(undefined, "127.0.0.2")]).toEqual([false, false]);
    expect([await stays(node), await stays(node), await stays(node)]).toEqual([true, true, false]);
    sockets[0]!.destroy();
    await waitFor("a place for another", () => stays(b), patience);
  });

  it("of addresses that hold all without a certificate keep no other address out", async () => {
    const from = (address: string) => stays(undefined, address);
    const held = ["127.0.0.1", "127.0.0.1", "127.0.0.2"];
    for (const address of held) expect(await from(address)).toBe(true);
    expect(await from("127.0.0.3")).toBe(true);
    await waitFor("the oldest to be closed", () => sockets[0]!.closed, patience);
    expect(await from("127.0.0.3")).toBe(false);
    expect(sockets.map(({ closed }) => closed)).toEqual([true, false, false, false, true]);
  });

  const shown = Buffer.concat([REQUEST, Buffer.from([0x0f, 0x08, 0x01, 0x78])]);
  const get2 = rawFrame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 1, shown);

  it.each([
    ["HTTP/1.1", GET_1.replace("\r\n", "\r\nAuthorization: x\r\n")],
    ["HTTP/2", Buffer.concat([START, get2])],
  ])("of users with tokens (%s) are not closed for those of strangers", async (_, request) => {
    await served.server.close();
    const open = { all: 8, each: 2, reserved: 2 };
    const unknown = { all: 4, ofAddress: 2 };
    served = await serveBodies(undefined, { ...connections, unknown, open });
    for (let n = 0; n < 2; n++) expect(await stays(undefined, "127.0.0.1", request)).toBe(true);
    for (const address of ["127.0.0.2", "127.0.0.2", "127.0.0.3"]) {
      expect(await stays(undefined, address)).toBe(true);
    }
    await waitFor("one to be closed", () => sockets.some(({ closed }) => closed), patience);
    expect(sockets.map(({ closed }) => closed)).toEqual([false, false, true, false, false]);
  });

  it("are bounded before their handshake, of each address", async () => {
    const dial = (localAddress: string) =>
      kept(connectTcp({ ...served.server.addresses[0]!, localAddress }));
    const first = [1, 2, 3].map(() => dial("127.0.0.1"));
    await waitFor("one to be closed", () => first.some(({ closed }) => closed), patience);
    expect(first.filter(({ closed }) => closed)).toHaveLength(1);
    expect(await stays()).toBe(false);
    expect(await stays(undefined, "127.0.0.2")).toBe(true);
    for (const socket of first) socket.destroy();
    await waitFor("a place for another", () => stays(), patience);
  });
});

describe("a client that is slow to", () => {
  /** Short, so that their end is seen; what is tested is that there is one at all. */
  const SHORT: ServerTimeouts = {
    handshake_ms: 200,
    headers_ms: 200,
    request_ms: 300,
    idle_ms: 200,
    check_ms: 50,
  };
  const TRICKLE_MS = 20;
  let server: ApiHttpServer;
  let ca: string;
  beforeAll(async () => {
    ({ server, ca } = await serveBodies(SHORT));
  });
  afterAll(() => server.close());

  /** Says something, then more and more of it, until the server has had enough. */
  async function hold(socket: Socket, first: Buffer, more: Buffer | undefined): Promise<void> {
    socket.on("error", () => undefined);
    socket.resume();
    const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write(first);
    const trickle = setInterval(() => more && socket.writable && socket.write(more), TRICKLE_MS);
    await gone;
    clearInterval(trickle);
  }

  const over = (protocol: string): Socket =>
    connectTls({ ...server.addresses[0]!, ca, ALPNProtocols: [protocol] });
  const text = (words: string) => Buffer.from(words);
  const SETTINGS = Buffer.from("000000040000000000", "hex");
  const PREFACE = Buffer.concat([text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SETTINGS]);
  const PING = Buffer.from("0000080600000000000000000000000000", "hex");
  /** HEADERS of stream 1 that say `:method GET` and that more will follow. */
  const UNFINISHED = Buffer.from("00000101000000000182", "hex");

  const POST = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n";

  it.each([
    ["begin a handshake", undefined, text(""), undefined],
    ["finish a handshake", undefined, Buffer.from("1603010200", "hex"), undefined],
    ["begin a request", "http/1.1", text(""), undefined],
    ["send headers", "http/1.1", text("GET / HTTP/1.1\r\n"), text("a: b\r\n")],
    ["send a body", "http/1.1", text(POST), text("x")],
    ["say that it speaks HTTP/2", "h2", text(""), undefined],
    ["open a stream, and pings", "h2", PREFACE, PING],
    ["end headers of HTTP/2", "h2", Buffer.concat([PREFACE, UNFINISHED]), undefined],
  ])("%s is cut off", async (_what, protocol, first, more) => {
    const socket = protocol === undefined ? connectTcp(server.addresses[0]!) : over(protocol);
    await hold(socket, first, more);
  });

  it("send headers is cut off though a whole request may take long", async () => {
    const patient = await serveBodies({ ...SHORT, request_ms: 600_000 });
    const to = { ...patient.server.addresses[0]!, ca: patient.ca, ALPNProtocols: ["http/1.1"] };
    await hold(connectTls(to), text("GET / HTTP/1.1\r\n"), text("a: b\r\n"));
    await patient.server.close();
  });
});
