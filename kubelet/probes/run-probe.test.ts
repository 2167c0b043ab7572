import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import type { Probe } from "@raft2kube/api/gen/core/v1.ts";
import { afterEach, expect, test, vi } from "vitest";
import type { Runtime } from "../cri/runtime.ts";
import { PROBE_ANSWER_BYTES_MAX, PROBE_HEADERS_MAX, PROBE_REQUEST_LENGTH_MAX } from "../limits.ts";
import { probeTurns } from "./http-get.ts";
import { runProbe } from "./run-probe.ts";

let server: Server | Http2Server;
afterEach(() => server.close());

/** Returns the result of a gRPC probe of a server with a response of this length. */
async function probe(length: number) {
  const grpc = createServer();
  server = grpc;
  grpc.on("stream", (stream) => {
    stream.on("error", () => stream.destroy());
    const head = Buffer.alloc(5);
    head.writeUInt32BE(length, 1);
    // SERVING, then a field that no one knows.
    const filling = Buffer.alloc(length, 0x50).fill(Buffer.from([8, 1]), 0, 2);
    const headers = { ":status": 200, "content-type": "application/grpc" };
    stream.respond(headers, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.concat([head, filling]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return runProbe({ grpc: { port, service: "" }, timeoutSeconds: 5 }, TARGET);
}

const LONG = "x".repeat(PROBE_REQUEST_LENGTH_MAX);
const runtime = undefined as unknown as Runtime;
const TARGET = {
  container: { name: "c" },
  containerId: "c",
  podIP: "127.0.0.1",
  runtime,
  turn: () => Promise.resolve(),
};

/** Returns the outcome of an HTTP probe of a server that answers `/` so, and all else with 200. */
async function probeHttp(status: number, location?: string) {
  server = createHttpServer(({ url }, response) => {
    response.writeHead(url === "/" ? status : 200, location ? { location } : {}).end(`at ${url}`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return runProbe({ httpGet: { port, path: "/" }, timeoutSeconds: 5 }, TARGET);
}

test("probes of a pod without an address, which ended its sandbox, do not ask this machine", async () => {
  let connections = 0;
  server = createHttpServer((_, response) => response.end()).on("connection", () => connections++);
  server.listen(0, "localhost");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = { ...TARGET, podIP: "" };
  const handlers = [
    { httpGet: { port } },
    { tcpSocket: { port } },
    { grpc: { port, service: "" } },
  ];
  for (const handler of handlers) {
    expect(await runProbe({ ...handler, timeoutSeconds: 5 }, target)).toEqual({
      result: "error",
      output: "the pod has no address",
    });
  }
  expect(connections).toBe(0);
});

// Facts of upstream's TestHTTPProbeChecker_NonLocalRedirects.
test.each<[string, number, string | undefined, string, boolean]>([
  ["to another path is followed", 301, "/next", "at /next", false],
  ["to another host is not", 302, "http://other.test/", "at /", true],
  ["without a location is not", 307, undefined, "at /", true],
  ["that is none of those to follow is not", 304, "/next", "", true],
])("a redirect %s", async (_, status, location, body, warns) => {
  const output = warns ? `Probe terminated redirects, Response body: ${body}` : body;
  expect(await probeHttp(status, location)).toEqual({
    result: "success",
    output,
    ...(warns && { warns }),
  });
});

test("a response to a gRPC probe is bounded, since a pod may send half of it", async () => {
  expect(await probe(2)).toMatchObject({ result: "success" });
  const refused = await probe(PROBE_ANSWER_BYTES_MAX + 2);
  expect(refused).toMatchObject({ result: "failure" });
  expect(refused.output).toContain("health rpc failed");
});

test("a response to a gRPC probe is read in turns", async () => {
  const turns = vi.spyOn(probeTurns, "receive");
  expect(await probe(2)).toMatchObject({ result: "success" });
  expect(turns).toHaveBeenCalled();
  turns.mockRestore();
});

test("a probe of very many headers is not run", async () => {
  const httpHeaders = Array.from({ length: PROBE_HEADERS_MAX + 1 }, (_, at) => ({
    name: `x-${at}`,
    value: "",
  }));
  const { result, output } = await runProbe({ httpGet: { port: 1, httpHeaders } }, TARGET);
  expect([result, output]).toEqual(["error", `more than ${PROBE_HEADERS_MAX} headers for c`]);
});

test.each<[string, Probe]>([
  ["path", { httpGet: { port: 1, path: "p".repeat(PROBE_REQUEST_LENGTH_MAX + 1) } }],
  ["header", { httpGet: { port: 1, httpHeaders: [{ name: "x", value: LONG }] } }],
  ["service", { grpc: { port: 1, service: `${LONG}.` } }],
  ["command", { exec: { command: ["sh", "-c", LONG] } }],
])("a probe with a very long %s is not run", async (_what, probe) => {
  const { result, output } = await runProbe(probe, TARGET);
  const bound = `more than ${PROBE_REQUEST_LENGTH_MAX} characters`;
  expect([result, output]).toEqual(["error", `a request or command of ${bound} for c`]);
});

test("a path with characters that no request has is sent with their escapes", async () => {
  const asked: (string | undefined)[] = [];
  server = createHttpServer(({ url }, response) => {
    asked.push(url);
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const probe = { httpGet: { port, path: "/is it/gesund%20ü\ud800?a=b" }, timeoutSeconds: 5 };
  expect(await runProbe(probe, TARGET)).toMatchObject({ result: "success" });
  expect(asked).toEqual(["/is%20it/gesund%20%C3%BC%EF%BF%BD?a=b"]);
});
