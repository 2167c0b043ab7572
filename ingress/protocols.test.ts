// WebSocket, HTTP/2, gRPC and TLS through the data plane.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer, request } from "node:http";
import { type ClientHttp2Session, connect as connectHttp2, createServer } from "node:http2";
import type { Server } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../testing/free-port.ts";
import { waitFor } from "../testing/wait.ts";
import { command } from "./haproxy/data-plane.ts";
import { HANDSHAKES_OF_ADDRESS_MAX, HTTP2_CONNECTIONS_OF_ADDRESS_MAX } from "./limits.ts";
import { pairOf } from "./plan/certificates.ts";
import type { Backend, Site } from "./plan/model.ts";
import { pairFor } from "./testing/objects.ts";
import { OwnDataPlane } from "./testing/own-data-plane.ts";

let plane: OwnDataPlane;
let grpc: Server;
let sockets: Server;
let cert: string;

beforeAll(async () => {
  plane = await OwnDataPlane.start();
  grpc = createServer().on("stream", (stream) => {
    const head = { ":status": 200, "content-type": "application/grpc" };
    stream.respond(head, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.pipe(stream);
    stream.once("error", () => stream.close());
  });
  sockets = createHttpServer().on("upgrade", ({ headers }, socket) => {
    const key = `${headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`; // RFC 6455
    const accept = createHash("sha1").update(key).digest("base64");
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n" +
        `connection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  const ports: number[] = [];
  for (const server of [grpc, sockets]) {
    const port = await freePort();
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ports.push(port);
  }
  const backend = (name: string, port: number, isHttp2: boolean): Backend => ({
    name,
    filters: [],
    targets: [{ weight: 1, isHttp2, endpoints: [{ address: "127.0.0.1", port }] }],
  });
  const sites: Site[] = [
    {
      host: "",
      paths: [
        { kind: "exact", path: "/echo.Echo/Say", conditions: [], backend: "grpc" },
        { kind: "prefix", path: "/ws", conditions: [], backend: "ws" },
      ],
    },
  ];
  const pair = await pairFor(["grpc.test"]);
  ({ cert } = pair);
  const { id, pem } = pairOf(pair.cert, pair.key);
  const backends = [backend("grpc", ports[0]!, true), backend("ws", ports[1]!, false)];
  const whole = plane.planOf(sites, backends);
  const certificates = [{ id, pem, hosts: ["grpc.test"] }];
  const tls = { name: "tls", binds: [{ port: plane.tlsPort, certificates }], sites };
  await plane.dataPlane.apply({ ...whole, frontends: [...whole.frontends, tls] });
});

afterAll(async () => {
  await plane.close();
  for (const server of [grpc, sockets]) server.close();
});

test("a WebSocket is passed on, both ways", async () => {
  const headers = {
    connection: "upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
  };
  const call = request({ host: "127.0.0.1", port: plane.port, path: "/ws", headers }).end();
  const [response, socket] = (await once(call, "upgrade")) as [
    { statusCode: number },
    import("node:net").Socket,
  ];
  expect(response.statusCode).toBe(101);
  socket.write("hello");
  expect(String((await once(socket, "data"))[0])).toBe("hello");
  socket.destroy();
});

async function say(session: ClientHttp2Session): Promise<{ body: string; status: unknown }> {
  const stream = session.request({
    ":method": "POST",
    ":path": "/echo.Echo/Say",
    "content-type": "application/grpc",
    te: "trailers",
  });
  let body = "";
  let status: unknown;
  stream.on("trailers", (trailers) => (status = trailers["grpc-status"]));
  stream.setEncoding("utf8").on("data", (text: string) => (body += text));
  stream.end("message");
  await once(stream, "end");
  session.close();
  return { body, status };
}

test("a gRPC call over TLS keeps its trailers", async () => {
  const options = { ca: cert, servername: "grpc.test", lookup: undefined };
  const session = connectHttp2(`https://127.0.0.1:${plane.tlsPort}`, options);
  expect(await say(session)).toEqual({ body: "message", status: "0" });
});

test("a gRPC call without TLS, by prior knowledge of HTTP/2", async () => {
  const session = connectHttp2(`http://127.0.0.1:${plane.port}`);
  expect(await say(session)).toEqual({ body: "message", status: "0" });
});

/** Starts a TLS handshake from an address. Returns how it ends. */
function shake(localAddress: string): Promise<string> {
  const place = { host: "127.0.0.1", port: plane.tlsPort, localAddress };
  const socket = connect({ ...place, servername: "grpc.test", rejectUnauthorized: false });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.on("secureConnect", () => resolve("done"));
  socket.on("error", () => resolve("refused"));
  return promise.finally(() => socket.destroy());
}

test("a client may open all connections at once that it may have by HTTP/2", async () => {
  const all = Array.from({ length: HTTP2_CONNECTIONS_OF_ADDRESS_MAX }, () => shake("127.0.0.9"));
  expect(new Set(await Promise.all(all))).toEqual(new Set(["done"]));
});

test("an address that has begun too many handshakes has to wait, others do not", async () => {
  expect(await shake("127.0.0.7")).toBe("done");
  // The rate falls with time: it is set again until a connection meets it.
  const meets = async () => {
    const rate = `data.gpc0_rate ${HANDSHAKES_OF_ADDRESS_MAX + 1}`;
    await command(join(plane.dir, "runtime.sock"), `set table addresses key 127.0.0.7 ${rate}`);
    return (await shake("127.0.0.7")) === "refused";
  };
  await waitFor("a refusal", meets);
  expect(await shake("127.0.0.8")).toBe("done");
});

test("a strict port refuses server names without a certificate", async () => {
  const options = { rejectUnauthorized: false, servername: "other.test" };
  const session = connectHttp2(`https://127.0.0.1:${plane.tlsPort}`, options);
  await expect(once(session, "connect")).rejects.toThrow(/alert|handshake/i);
});
