import { createServer as createHttpServer, type Server } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { Agent, createServer as createHttpsServer, request } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { connect, type TLSSocket } from "node:tls";
import { gunzipSync, gzipSync } from "node:zlib";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { ANONYMOUS } from "../../authn/identities.ts";
import { ApiHttpServer } from "../../http/server.ts";
import type { Incoming, Outgoing, RequestContext } from "../../request/context.ts";
import { parseRequestInfo } from "../../request/request-info.ts";
import { headersFor, passThrough, splitPath, turnedBack } from "./pass-through.ts";

const PAGE = '<a href="/x?a=1">/x</a><a href="http://elsewhere.example/x">';
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
const PREFIX = "/api/v1/namespaces/default/services/web:80/proxy";

let ca: KeyPair;
let server: ApiHttpServer;
let plain: Server;
let secure: Server;
/**
 * Whether requests are forwarded to the TLS backend, whose certificate is of an unknown authority.
 */
let toSecure = false;
let host = "127.0.0.1";
/** The requests to the backends. */
const asked: string[] = [];

beforeAll(async () => {
  const now_ms = Date.now();
  ca = await createCa({ commonName: "test", days: 1, now_ms });
  const wanted = { commonName: "x", usages: ["server" as const], days: 1 };
  const tls = await issueCertificate(ca, { ...wanted, ipAddresses: ["127.0.0.1"] }, now_ms);
  const other = await createCa({ commonName: "other", days: 1, now_ms });
  const foreign = await issueCertificate(other, { ...wanted, dnsNames: ["elsewhere"] }, now_ms);
  plain = listening(createHttpServer());
  secure = listening(createHttpsServer(foreign));
  server = await ApiHttpServer.listen({
    listen: [{ host: "127.0.0.1", port: 0 }],
    tls,
    clientCa: ca.cert,
    listener: {
      handle: (incoming, outgoing) => void pass(incoming, outgoing, undefined),
      upgrade: (incoming, outgoing, socket, head) =>
        void pass(incoming, outgoing, { socket, head }),
    },
  });
});
afterAll(async () => {
  await server.close();
  plain.close();
  secure.close();
});

const TRAILER = "HTTP/1.1 200 OK\r\nTrailer: X\r\nContent-Length: 2\r\n\r\n{}";

/** A backend that returns the request, redirects from /old, and echoes after an upgrade. */
function listening(backend: Server): Server {
  backend.on("request", (incoming, answer) => {
    const { method, url, headers } = incoming;
    asked.push(`${method} ${url}`);
    if (url === "/switch") return incoming.socket.write(SWITCH);
    if (url === "/interim") return void floodInterim(incoming.socket);
    if (url === "/old") answer.writeHead(302, { location: "/new/?a=1", "set-cookie": "s=1" });
    else answer.setHeader("access-control-allow-origin", "*").setHeader("audit-id", "forged");
    if (url === "/trailer") return incoming.socket.write(TRAILER);
    if (url?.startsWith("/page")) {
      const zip = url.endsWith("zip") ? { "content-encoding": "gzip" } : {};
      const page = url.endsWith("zip") ? gzipSync(PAGE) : Buffer.from(PAGE);
      const head = { "content-type": "text/html; charset=utf-8", "content-length": page.length };
      return answer.writeHead(200, { ...head, ...zip }).end(method === "HEAD" ? "" : page);
    }
    incoming.resume().on("end", () => answer.end(JSON.stringify({ method, url, headers })));
  });
  backend.on("upgrade", (incoming, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: ${incoming.headers.upgrade}\r\n` +
        "Connection: Upgrade\r\n\r\n",
    );
    socket.pipe(socket);
  });
  return backend.listen(0, "127.0.0.1");
}

/** Sends interim answers until the client hangs up. */
function floodInterim(socket: Socket): void {
  const many = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1_000);
  const more = () => {
    while (!socket.destroyed && socket.write(many));
  };
  socket.on("drain", more).on("error", () => socket.destroy());
  more();
}

async function pass(request: Incoming, response: Outgoing, upgrade: RequestContext["upgrade"]) {
  const url = request.url ?? "/";
  const query = new URLSearchParams(url.split("?")[1]);
  const info = parseRequestInfo(request.method ?? "", url.split("?")[0]!, query);
  const backend = toSecure ? secure : plain;
  const { port } = backend.address() as AddressInfo;
  const agent = toSecure ? new Agent({ rejectUnauthorized: false }) : undefined;
  try {
    await passThrough(
      { closing: new AbortController().signal },
      {
        id: "id",
        request,
        response,
        info,
        query,
        user: ANONYMOUS,
        upgrade,
        warnings: [],
        signal: new AbortController().signal,
        cut: () => undefined,
      },
      { host, port, agent },
    );
  } catch (thrown) {
    if (!(thrown instanceof ApiError)) throw thrown;
    response.writeHead(thrown.http).end(thrown.message);
  }
}

type Echo = { url: string; method: string; headers: Record<string, string> };

function ask(path: string, headers: Record<string, string> = {}, method = "GET", body = "") {
  const { port } = server.addresses[0]!;
  const to = { port, host: "127.0.0.1", ca: ca.cert, agent: false } as const;
  const init = { ...to, path, method, headers };
  type Asked = { status: number; headers: Record<string, unknown>; body: Buffer; echo: Echo };
  return new Promise<Asked>((resolve, reject) => {
    const sent = request(init, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const none = { url: "", method: "", headers: {} };
        const echo = bytes[0] === 0x7b ? (JSON.parse(bytes.toString()) as Echo) : none;
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: bytes, echo });
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

it.each([false, true])("a request comes as it was sent; to a TLS backend: %s", async (tls) => {
  toSecure = tls;
  const headers = {
    cookie: "s=1",
    "x-mine": "yes",
    authorization: "Bearer secret",
    "impersonate-user": "me",
    connection: "x-hop",
    "x-hop": "no",
  };
  const {
    status,
    echo,
    headers: back,
  } = await ask(`${PREFIX}/a%2Fb/dir/?q=a+b&q=%20`, headers, "POST", "body");
  expect([status, echo.method, echo.url]).toEqual([200, "POST", "/a%2Fb/dir/?q=a+b&q=%20"]);
  expect(echo.headers).toMatchObject({
    cookie: "s=1",
    "x-mine": "yes",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-uri": `${PREFIX}/a%2Fb/dir/`,
  });
  for (const name of ["authorization", "impersonate-user", "x-hop"]) {
    expect(echo.headers).not.toHaveProperty(name);
  }
  for (const name of ["access-control-allow-origin", "audit-id"]) {
    expect(back).not.toHaveProperty(name);
  }
});

it("announces no trailers of a backend, which Node refuses beside a length", async () => {
  expect(await ask(`${PREFIX}/trailer`)).toMatchObject({ status: 200, echo: {} });
});

it("a TLS backend gets the name that it is asked by, and no address", async () => {
  toSecure = true;
  const names: (string | false | null)[] = [];
  const onConnection = ({ servername }: TLSSocket) => void names.push(servername);
  secure.on("secureConnection", onConnection);
  for (host of ["localhost", "127.0.0.1"]) expect((await ask(`${PREFIX}/`)).status).toBe(200);
  secure.off("secureConnection", onConnection);
  expect(names).toEqual(["localhost", false]);
});

it("a backend that switches protocols without being asked to gives an error", async () => {
  toSecure = false;
  const { status, body } = await ask(`${PREFIX}/switch`);
  expect([status, body.toString()]).toEqual([503, expect.stringContaining("switches protocols")]);
});

it("a backend that sends interim answers without end gives an error", async () => {
  toSecure = false;
  const { status, body } = await ask(`${PREFIX}/interim`);
  expect([status, body.toString()]).toEqual([503, expect.stringContaining("interim answers")]);
});

describe("a body is none of the requests behind it", () => {
  const hidden = "POST /hidden HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

  it.each(["GET", "HEAD", "DELETE", "OPTIONS", "POST"])("of %s over HTTP/1.1", async (method) => {
    asked.length = 0;
    const framings: Record<string, string>[] = [
      { "transfer-encoding": "chunked" },
      // Named there it does not go along.
      { "content-length": String(hidden.length), connection: "content-length" },
    ];
    for (const headers of framings) {
      expect((await ask(`${PREFIX}/open`, headers, method, hidden)).status).toBe(200);
    }
    expect(asked).toEqual([`${method} /open`, `${method} /open`]);
  });

  it.each(["GET", "DELETE"])("of %s over HTTP/2", async (method) => {
    asked.length = 0;
    const session = connectHttp2(`https://127.0.0.1:${server.addresses[0]!.port}`, { ca: ca.cert });
    const path = `${PREFIX}/open`;
    const stream = session.request({ ":method": method, ":path": path }, { endStream: false });
    stream.end(hidden);
    const echo = JSON.parse((await buffer(stream)).toString()) as Echo;
    session.close();
    expect(echo.headers).toMatchObject({ "transfer-encoding": "chunked" });
    expect(asked).toEqual([`${method} /open`]);
  });
});

it("redirects stay below the proxy, and its root ends with a slash", async () => {
  toSecure = false;
  const old = await ask(`${PREFIX}/old`);
  expect([old.status, old.headers["location"]]).toEqual([302, `${PREFIX}/new/?a=1`]);
  expect(old.headers["set-cookie"]).toEqual(["s=1"]);
  const root = await ask(`${PREFIX}?a=1`);
  expect([root.status, root.headers["location"]]).toEqual([301, `${PREFIX}/?a=1`]);
});

it("the links of a page stay below the proxy, zipped or not", async () => {
  toSecure = false;
  const expected = PAGE.replace('"/x?a=1"', `"${PREFIX}/x?a=1"`);
  const plainPage = await ask(`${PREFIX}/page`);
  expect(plainPage.body.toString()).toBe(expected);
  expect(plainPage.headers).not.toHaveProperty("content-length");
  const zipped = await ask(`${PREFIX}/pagezip`);
  expect(zipped.headers["content-encoding"]).toBe("gzip");
  expect(gunzipSync(zipped.body).toString()).toBe(expected);
  const head = await ask(`${PREFIX}/page`, {}, "HEAD");
  expect(head.headers["content-length"]).toBe(String(PAGE.length));
});

it.each([false, true])("a connection becomes another protocol's; with TLS: %s", async (tls) => {
  toSecure = tls;
  const { port } = server.addresses[0]!;
  const socket = connect({ host: "127.0.0.1", port, ca: ca.cert, ALPNProtocols: ["http/1.1"] });
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.write(
    `GET ${PREFIX}/chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n` + "Upgrade: echo\r\n\r\n",
  );
  await waitFor("the 101", () => text.includes("101 Switching Protocols"));
  socket.write("through");
  await waitFor("the echo", () => text.endsWith("through"));
  socket.destroy();
});

it.each([
  ["/x", "/p/x"],
  ["/p/x", "/p/x"],
  ["//backend:8080/x?q#f", "/p/x?q#f"],
  ["http://backend:8080/x/", "/p/x/"],
  ["https://client/x", "https://client/p/x"],
  ["https://elsewhere/x", "https://elsewhere/x"],
  ["page", "page"],
  ["http://backend:8080", "http://backend:8080"],
])("a redirect to %s leads to %s", (location, expected) => {
  const hosts = { backend: "backend:8080", client: "client" };
  expect(turnedBack(location, "/p", hosts)).toBe(expected);
});

it("neither credentials nor names of users go along, however they are written", () => {
  const headers = {
    accept: "*/*",
    x_remote_user: "root",
    "x-remote-group": "a",
    impersonate_user: "root",
    proxy_authorization: "x",
    "sec-websocket-protocol": "base64url.bearer.authorization.k8s.io.eA",
  };
  const sent = headersFor({ headers, socket: {} } as unknown as Incoming, "/");
  expect(Object.keys(sent).filter((name) => Object.hasOwn(headers, name))).toEqual(["accept"]);
});

it("what follows /proxy is found by its place, whatever things are called", () => {
  const odd = "/api/v1/namespaces/services/pods/proxy/proxy";
  expect(splitPath(`${odd}/a/?q`, "pods")).toEqual({ prefix: odd, path: "/a/", search: "?q" });
  const node = "/api/v1/nodes/n/proxy";
  expect(splitPath(node, "nodes")).toEqual({ prefix: node, path: "", search: "" });
});

it.each([
  ["/api/v1/watch/nodes/n/proxy/pods", "nodes"],
  ["/api/v1/nodes/n/%70roxy/pods", "nodes"],
  ["/api/v1/watch/namespaces/ns/pods/p/proxy", "pods"],
])("%s has no proxy in its place, and leads nowhere", (target, resource) => {
  expect(() => splitPath(target, resource)).toThrow("could not find");
});
