import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { ApiHttpServer } from "@raft2kube/apiserver/http/server.ts";
import { type ServerContext, serveKubelet } from "@raft2kube/kubelet/server/server.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeAll, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { listening } from "../../../testing/listening.ts";
import { EVERYTHING, TAKEN, takenBy } from "./weak-handshakes.ts";

const listen = { host: "127.0.0.1", port: 0 };
const dir = suiteFolder("r2k-tls-");
/** An RSA pair, with which there are more weak suites than with ours. */
let pair: { cert: string; key: string };

beforeAll(() => {
  const [key, cert] = [join(dir, "key"), join(dir, "cert")];
  const made = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", key, "-out", cert];
  execFileSync("openssl", ["req", "-x509", ...made], { stdio: "ignore" });
  pair = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
});

test("the offers are real: a server that takes everything takes each", async () => {
  const server = createServer({
    ...pair,
    minVersion: "TLSv1",
    ciphers: "ALL:COMPLEMENTOFALL:@SECLEVEL=0",
    ALPNProtocols: ["h2", "http/1.1"],
  });
  const old = createServer({ ...pair, minVersion: "TLSv1.3" });
  for (const each of [server, old]) {
    each.on("tlsClientError", () => undefined);
    await listening(each);
  }
  try {
    const portOf = (each: typeof server) => (each.address() as AddressInfo).port;
    expect(await takenBy(portOf(server))).toEqual(EVERYTHING);
    expect(await takenBy(portOf(old))).toEqual(["TLS 1.3"]);
  } finally {
    server.close();
    old.close();
  }
});

test("the API server", async () => {
  const server = await ApiHttpServer.listen({
    listen: [listen],
    tls: pair,
    clientCa: pair.cert,
    listener: { handle: (_, response) => response.end(), upgrade: () => undefined },
  });
  try {
    expect(await takenBy(server.addresses[0]!.port)).toEqual(TAKEN);
  } finally {
    await server.close();
  }
});

test("the kubelet", async () => {
  const context = { clock: systemClock(), nodeName: "node", client: undefined };
  const options = { ...pair, clientCa: pair.cert, listen };
  const server = await serveKubelet(options, context as unknown as ServerContext);
  try {
    expect(await takenBy(server.address.port)).toEqual(TAKEN);
  } finally {
    await server.close();
  }
});

test("the store's client, peer and metrics addresses", async () => {
  const services = [serve(Health, { check: () => ({ status: 1 }) })];
  const server = await serveGrpc({ services, listen: { ...listen, tls: pair } });
  try {
    expect(await takenBy(server.port)).toEqual(TAKEN);
  } finally {
    await server.close();
  }
});
