import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { readEncryption } from "@raft2kube/encryption/config.ts";
import { KMS_STATUS_MS, KMS_WRITE_MS } from "@raft2kube/encryption/limits.ts";
import { startSampleKms } from "@raft2kube/encryption/sample/kms-plugin.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask } from "../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import { startTestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { startUpstream } from "../../../testing/apiserver/upstream-apiserver.ts";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const BIN = join(import.meta.dirname, "../../../.peers/bin");
const BINARY = join(BIN, "kube-apiserver");
const MOCK = join(BIN, "kms-mock");
const SECRETS = "/api/v1/namespaces/default/secrets";

const dir = suiteFolder("r2k-kms-");
let config: string;
let etcd: EtcdServer;
let plugin: RpcServer;
const text = () =>
  JSON.stringify({
    kind: "EncryptionConfiguration",
    apiVersion: "apiserver.config.k8s.io/v1",
    resources: [
      {
        resources: ["secrets"],
        providers: [
          {
            kms: { apiVersion: "v2", name: "sample", endpoint: `unix://${join(dir, "kms.sock")}` },
          },
        ],
      },
    ],
  });

beforeAll(async () => {
  config = join(dir, "config.yaml");
  await writeFile(config, text());
  await writeFile(join(dir, "keys"), `one ${Buffer.alloc(32, 1).toString("base64")}\n`);
  plugin = await startSampleKms(join(dir, "kms.sock"), join(dir, "keys"));
  etcd = await startEtcd();
});
afterAll(async () => {
  await etcd?.close();
  await plugin?.close();
});

const secret = (name: string) => ({ metadata: { name }, data: { k: "dmFsdWU=" } });

/** The value of a Secret in etcd. */
async function stored(name: string): Promise<string> {
  const key = Buffer.from(`/registry/secrets/default/${name}`);
  return (await etcd.client.range({ key })).kvs[0]!.value.toString("latin1");
}

it("a Secret is encrypted by the plugin's key, and health shows the plugin", async () => {
  const encryption = await readEncryption(text());
  const api = await startTestApiserver(etcd.client, { encryption });
  const admin = await api.credentials("admin", ["system:masters"]);
  expect((await ask(api, SECRETS, { ...admin, method: "POST", body: secret("ours") })).status).toBe(
    201,
  );
  expect(await stored("ours")).toMatch(/^k8s:enc:kms:v2:sample:/);
  expect((await ask(api, "/healthz/kms-providers", admin)).body).toBe("ok");
  await api.restart();
  expect((await ask(api, `${SECRETS}/ours`, admin)).body).toContain("dmFsdWU=");
  const { body: metrics } = await ask(api, "/metrics", admin);
  const of = (name: string, ...labels: string[]) =>
    metrics
      .split("\n")
      .find(
        (line) =>
          line.startsWith(`apiserver_envelope_encryption_${name}{`) &&
          [...labels, 'provider_name="sample"'].every((label) => line.includes(label)),
      );
  const hash = createHash("sha256").update("one").digest("hex");
  const key = `key_id_hash="sha256:${hash}"`;
  for (const way of ["to_storage", "from_storage"]) {
    expect(of("key_id_hash_total", key, `transformation_type="${way}"`)).toMatch(/ [1-9]\d*$/);
    expect(of("key_id_hash_last_timestamp_seconds", key, way)).toMatch(/ \d{10}(\.\d+)?$/);
  }
  for (const method of ["Status", "Encrypt"]) {
    expect(
      of(
        "kms_operations_latency_seconds_count",
        'grpc_status_code="OK"',
        `method_name="/v2.KeyManagementService/${method}"`,
      ),
    ).toMatch(/ 1$/);
  }
  await api.close();
  await encryption.close();
});

it("after a rotation a replace rewrites with the new key", async () => {
  const line = (name: string, fill: number) =>
    `${name} ${Buffer.alloc(32, fill).toString("base64")}\n`;
  await writeFile(join(dir, "keys"), line("key-two", 2) + line("one", 1));
  const encryption = await readEncryption(text());
  const api = await startTestApiserver(etcd.client, { encryption });
  const admin = await api.credentials("admin", ["system:masters"]);
  const read = await ask(api, `${SECRETS}/ours`, admin);
  expect(await stored("ours")).not.toContain("key-two");
  const put = { ...admin, method: "PUT", body: JSON.parse(read.body) as object };
  expect((await ask(api, `${SECRETS}/ours`, put)).status).toBe(200);
  expect(await stored("ours")).toContain("key-two");
  await api.close();
  await encryption.close();
});

it.skipIf(!existsSync(BINARY))("a plugin's Secrets are kube-apiserver's too", async () => {
  const upstream = await startUpstream(BINARY, {
    "etcd-servers": etcd.url,
    "encryption-provider-config": config,
  });
  try {
    const read = await upstream.send("GET", `${SECRETS}/ours`, "", undefined);
    expect(read.body).toMatchObject({ data: { k: "dmFsdWU=" } });
    const made = await upstream.send("POST", SECRETS, "application/json", secret("theirs"));
    expect(made.status).toBe(201);
  } finally {
    await upstream.close();
  }
  const encryption = await readEncryption(text());
  const api = await startTestApiserver(etcd.client, { encryption });
  const admin = await api.credentials("admin", ["system:masters"]);
  expect(await stored("theirs")).toMatch(/^k8s:enc:kms:v2:sample:/);
  for (const query of ["", "?resourceVersion=0"]) {
    await waitFor("the list", async () => {
      const { body } = await ask(api, `${SECRETS}${query}`, admin);
      return (JSON.parse(body) as { items?: unknown[] }).items?.length === 2;
    });
  }
  expect((await ask(api, `${SECRETS}/theirs`, admin)).body).toContain("dmFsdWU=");
  await api.close();
  await encryption.close();
});

/** Upstream's mock in Go: it does what each line says, and answers. */
class Mock {
  readonly #program: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  private constructor(socket: string) {
    this.#program = spawn(MOCK, [socket], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#program.stdout);
  }

  static async start(socket: string): Promise<Mock> {
    const mock = new Mock(socket);
    await once(mock.#lines, "line");
    return mock;
  }

  async ask(what: "rotate" | "fail" | "recover"): Promise<void> {
    const done = once(this.#lines, "line");
    this.#program.stdin.write(`${what}\n`);
    await done;
  }

  async close(): Promise<void> {
    const ended = once(this.#program, "exit");
    this.#program.stdin.end();
    await ended;
  }
}

it.skipIf(!existsSync(MOCK))("upstream's mock fails, recovers and rotates", async () => {
  const socket = join(dir, "mock.sock");
  const mock = await Mock.start(socket);
  const time = new ManualClock();
  const made = await readEncryption(text().replace(join(dir, "kms.sock"), socket), time);
  try {
    const secrets = made.of({ group: "", plural: "secrets" });
    const encrypt = () => secrets.encrypt("/a", Buffer.from("hush"));
    const old = encrypt();
    await mock.ask("fail");
    time.advance(KMS_WRITE_MS + 1);
    await waitFor("the failure", async () => {
      time.advance(KMS_STATUS_MS);
      const registry = metricsRegistry();
      made.metrics.showIn(registry, made);
      return (await registry.metrics()).includes('grpc_status_code="FailedPrecondition"');
    });
    expect(encrypt).toThrow("key disabled");
    expect(secrets.decrypt("/a", old).value.toString()).toBe("hush");
    await mock.ask("recover");
    await mock.ask("rotate");
    await waitFor("the next key", () => {
      time.advance(KMS_STATUS_MS);
      return secrets.decrypt("/a", old).stale;
    });
    const next = await readEncryption(made.config!, new ManualClock());
    const restarted = next.of({ group: "", plural: "secrets" });
    const now = encrypt();
    await restarted.prepare!([old, now]);
    expect(restarted.decrypt("/a", old)).toEqual({ value: Buffer.from("hush"), stale: true });
    expect(restarted.decrypt("/a", now)).toEqual({ value: Buffer.from("hush"), stale: false });
    expect(next.metrics.misses.value).toBe(2);
    await next.close();
  } finally {
    await made.close();
    await mock.close();
  }
});
