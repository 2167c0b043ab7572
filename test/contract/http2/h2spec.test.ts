import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Health } from "@raft2kube/proto/gen/health.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { describe, expect, test } from "vitest";

const H2SPEC = join(import.meta.dirname, "../../../.peers/bin/h2spec");

/**
 * All but "sends invalid connection preface" (3.5): on a port that serves HTTP/1.1 too, what is no
 * preface is a request that HTTP/1.1 answers with 400, as etcd's does.
 */
const SECTIONS = ["generic", "hpack", "http2/3.5/1", ...[4, 5, 6, 7, 8].map((i) => `http2/${i}`)];

function h2spec(port: number): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(H2SPEC, [String(port), ...SECTIONS]);
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

describe.skipIf(!existsSync(H2SPEC))("h2spec", () => {
  test("the server keeps every rule of RFC 9113 and RFC 7541 that h2spec knows", async () => {
    const server = await serveGrpc({
      listen: { host: "127.0.0.1", port: 0 },
      services: [serve(Health, { check: () => ({ status: 1 }) })],
      http: (_request, response) => void response.end("a page of some bytes\n"),
      streams_max: 100,
    });
    const { code, output } = await h2spec(server.port);
    await server.close();
    expect(output).toMatch(/[1-9][0-9]+ tests, [1-9][0-9]+ passed, 0 skipped, 0 failed/);
    expect(code).toBe(0);
  });
});
