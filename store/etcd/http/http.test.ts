import { mkdtempSync, rmSync } from "node:fs";
import { request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Store, startStore } from "../../main.ts";

const dataDir = mkdtempSync(join(tmpdir(), "r2k-http-"));

const VERSIONS = '{"etcdserver":"3.6.5","etcdcluster":"3.6.0","storage":"3.6.0"}';

/**
 * Checks as etcd 3.6.5 lists them, but in one order: etcd's changes from one answer to the next.
 */
const MOST_READY = ["serializable_read", "linearizable_read", "non_learner"]
  .map((name) => `[+]${name} ok\n`)
  .join("");
const ALL_READY = `[+]data_corruption ok\n${MOST_READY}`;

type Answer = { status: number | undefined; body: string };

function ask(
  send: typeof httpRequest,
  options: RequestOptions & { ca?: string; cert?: string; key?: string },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = send({ ...options, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.once("end", () => resolve({ status: response.statusCode, body }));
    });
    request.once("error", reject).end();
  });
}

describe("plain", () => {
  let store: Store;
  let port: number;
  beforeAll(async () => {
    const listenClient = { host: "127.0.0.1", port: 0 };
    store = await startStore({ dataDir: join(dataDir, "plain"), listenClient });
    port = Number(store.address!.split(":")[1]);
  });
  afterAll(() => store.close());

  const get = (path: string, method = "GET") =>
    ask(httpRequest, { host: "127.0.0.1", port, path, method });

  test.each([
    ["/health", 200, '{"health":"true","reason":""}'],
    ["/health?serializable=true", 200, '{"health":"true","reason":""}'],
    ["/livez", 200, "ok\n"],
    ["/livez?verbose&exclude=serializable_read", 200, "ok\n"],
    ["/readyz", 200, "ok\n"],
    ["/readyz?verbose=false", 200, `${ALL_READY}ok\n`],
    ["/readyz?verbose&exclude=data_corruption&exclude=x", 200, `${MOST_READY}ok\n`],
    ["/readyz/non_learner?verbose&exclude=non_learner", 200, "[+]non_learner ok\nok\n"],
    ["/readyz/nothing", 404, "404 page not found\n"],
    ["/version", 200, VERSIONS],
    ["/nothing", 404, "404 page not found\n"],
    // Targets that are no URL.
    ["//", 307, ""],
    ["//[", 307, ""],
    ["//health", 307, ""],
    ["http://[::/health", 404, "404 page not found\n"],
  ])("%s", async (path, status, body) => {
    expect(await get(path)).toEqual({ status, body });
  });

  test("/metrics has etcd's names", async () => {
    await store.client.put({ key: Buffer.from("k") });
    const { body } = await get("/metrics");
    expect(body).toContain("etcd_server_has_leader 1");
    expect(body).toContain("etcd_debugging_mvcc_keys_total 1");
  });

  test("/debug/vars has Raft's state under the names of etcd", async () => {
    const vars = JSON.parse((await get("/debug/vars")).body) as Record<string, object>;
    expect(Object.keys(vars)).toEqual(["cmdline", "file_descriptor_limit", "raft.status"]);
    const own = expect.stringMatching(/^[0-9a-f]{8,16}$/) as string;
    const index = expect.any(Number) as number;
    expect(vars["raft.status"]).toEqual({
      id: own,
      term: 2,
      vote: own,
      commit: index,
      lead: own,
      raftState: "StateLeader",
      applied: index,
      leadtransferee: "0",
      progress: {
        [(vars["raft.status"] as { id: string }).id]: {
          match: index,
          next: index,
          state: "StateReplicate",
        },
      },
    });
  });

  test("other methods are refused", async () => {
    expect((await get("/health", "POST")).status).toBe(405);
  });

  test("gRPC answers on the same port", async () => {
    const client = connectEtcd({ endpoints: [`http://127.0.0.1:${port}`] });
    expect((await client.status()).version).toBe("3.6.5");
    await client.close();
  });
});

describe("with TLS and client certificates", () => {
  test("serves clients with a certificate, and no others", async () => {
    const now_ms = Date.now();
    const ca = await createCa({ commonName: "test", days: 1, now_ms });
    const ipAddresses = ["127.0.0.1"];
    const forServer = { commonName: "store", usages: ["server"], ipAddresses, days: 1 } as const;
    const server = await issueCertificate(ca, forServer, now_ms);
    const forClient = { commonName: "apiserver", usages: ["client"], days: 1 } as const;
    const own = await issueCertificate(ca, forClient, now_ms);
    const tls = { cert: server.cert, key: server.key, clientCa: ca.cert };
    const listenClient = { host: "127.0.0.1", port: 0, tls };
    const store = await startStore({ dataDir: join(dataDir, "tls"), listenClient });
    const port = Number(store.address!.split(":")[1]);
    const endpoints = [`https://127.0.0.1:${port}`];
    const client = connectEtcd({ endpoints, tls: { ca: ca.cert, ...own } });
    expect((await client.put({ key: Buffer.from("k") })).header!.revision).toBe(2);
    const stranger = connectEtcd({ endpoints, tls: { ca: ca.cert }, timeout_ms: 2_000 });
    await expect(stranger.status()).rejects.toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/) as string,
    });
    const get = { host: "127.0.0.1", port, path: "/livez", ca: ca.cert };
    expect((await ask(httpsRequest, { ...get, ...own })).body).toBe("ok\n");
    await expect(ask(httpsRequest, get)).rejects.toThrow();
    await client.close();
    await stranger.close();
    await store.close();
    rmSync(dataDir, { recursive: true });
  });
});
