import { once } from "node:events";
import { createServer, type Http2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { Runtime } from "../cri/runtime.ts";
import { PROBE_ANSWER_BYTES_MAX } from "../limits.ts";
import { runProbe } from "./run-probe.ts";

let server: Http2Server;
afterEach(() => server.close());

/** Returns the result of a gRPC probe of a server with a response of this length. */
async function probe(length: number) {
  server = createServer();
  server.on("stream", (stream) => {
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
  const target = { container: { name: "c" }, containerId: "c", podIP: "127.0.0.1" };
  const runtime = undefined as unknown as Runtime;
  return runProbe({ grpc: { port, service: "" }, timeoutSeconds: 5 }, { ...target, runtime });
}

test("a response to a gRPC probe is bounded, since a pod may send half of it", async () => {
  expect(await probe(2)).toMatchObject({ result: "success" });
  const refused = await probe(PROBE_ANSWER_BYTES_MAX + 2);
  expect(refused).toMatchObject({ result: "failure" });
  expect(refused.output).toContain("health rpc failed");
});
