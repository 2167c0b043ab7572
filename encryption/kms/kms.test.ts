import { createHmac, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { EncryptedObject, KeyManagementService } from "@raft2kube/proto/gen/kms.ts";
import { FILE_RELOAD_MS } from "@raft2kube/reconcile/limits.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { asBuffer } from "@raft2kube/std/bytes.ts";
import { type Clock, ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { CIPHERS } from "../ciphers.ts";
import { type Encryption, readEncryption } from "../config.ts";
import { KMS_ANNOTATIONS_BYTES_MAX, KMS_STATUS_MS, KMS_WRITE_MS } from "../limits.ts";
import { followEncryption } from "../reload.ts";
import { startSampleKms } from "../sample/kms-plugin.ts";
import { EncryptionError } from "../value-encryption.ts";
import { openWith, sealWith } from "./sealed.ts";

const KEY = "/registry/secrets/default/s";
const VALUE = Buffer.from("hush");
const SECRETS = { group: "", plural: "secrets" };
const clock = systemClock();

let dir: string;
let socket: string;
let keyFile: string;
let server: RpcServer | undefined;
const open: Encryption[] = [];

beforeEach(async () => {
  dir = testFolder("r2k-kms-");
  socket = join(dir, "kms.sock");
  keyFile = join(dir, "keys");
  await keys("one");
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await server?.close();
  server = undefined;
});

const keys = (...names: string[]) =>
  writeFile(
    keyFile,
    names.map((name) => `${name} ${Buffer.alloc(32, name).toString("base64")}\n`).join(""),
  );
const start = async () => {
  server = await startSampleKms(socket, keyFile);
};
const stop = async () => {
  await server?.close();
  server = undefined;
};

function fails(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(EncryptionError);
    return true;
  }
}

const config = (more: object = {}, others: object[] = [{ identity: {} }]) =>
  JSON.stringify({
    kind: "EncryptionConfiguration",
    apiVersion: "apiserver.config.k8s.io/v1",
    resources: [
      {
        resources: ["secrets"],
        providers: [
          {
            kms: {
              apiVersion: "v2",
              name: "sample",
              endpoint: `unix://${socket}`,
              timeout: "10s",
              ...more,
            },
          },
          ...others,
        ],
      },
    ],
  });

async function encryption(time: Clock = clock, text = config()): Promise<Encryption> {
  const made = await readEncryption(text, time);
  open.push(made);
  return made;
}

/** The metrics of an encryption, as a server shows them. */
async function shownOf(encryption: Encryption): Promise<string> {
  const registry = metricsRegistry();
  encryption.metrics.showIn(registry, encryption);
  return await registry.metrics();
}

it("values are read by the next server, and the plugin sees seeds alone", async () => {
  await start();
  const stored = (await encryption()).of(SECRETS).encrypt(KEY, VALUE);
  expect(stored.toString("latin1")).toMatch(/^k8s:enc:kms:v2:sample:/);
  const next = (await encryption()).of(SECRETS);
  expect(() => next.decrypt(KEY, stored)).toThrow("does not decrypt");
  await next.prepare!([stored, Buffer.from("plain"), stored]);
  expect(next.prepare!([stored])).toBeUndefined();
  expect(next.decrypt(KEY, stored)).toEqual({ value: VALUE, stale: false });
  expect(() => next.decrypt(`${KEY}2`, stored)).toThrow("does not decrypt with this key");
  expect(next.decrypt(KEY, VALUE)).toEqual({ value: VALUE, stale: true });
});

it("a value's key is HKDF-Expand of the seed and the value's first 32 bytes", () => {
  const seed = randomBytes(32);
  const data = sealWith(seed, VALUE, KEY);
  const info = data.subarray(0, 32);
  const key = createHmac("sha256", seed)
    .update(Buffer.concat([info, Buffer.of(1)]))
    .digest();
  expect(CIPHERS["aesgcm"]!.decrypt(key, data.subarray(32), KEY)).toEqual(VALUE);
  expect(openWith(seed, 1, data, KEY)).toEqual(VALUE);
  // Of the time before seeds: the plugin's plaintext is the key.
  expect(openWith(key, 0, CIPHERS["aesgcm"]!.encrypt(key, VALUE, KEY), KEY)).toEqual(VALUE);
});

it("the status of a plugin's present key alone is shown, and no plugin of before a reload", async () => {
  await start();
  const time = new ManualClock();
  const config = (name: string) => `
kind: EncryptionConfiguration
apiVersion: apiserver.config.k8s.io/v1
resources:
- resources: [secrets]
  providers: [{ kms: { apiVersion: v2, name: ${name}, endpoint: "unix://${socket}" } }]`;
  let text = config("before");
  const made = await followEncryption(() => Promise.resolve(text), time);
  open.push(made);
  const shown = async () => {
    const lines = (await shownOf(made)).split("\n");
    return lines.filter((line) => /^\w+_(status_last_timestamp_seconds|cache_size)\{/.test(line));
  };
  const ofPlugin = (name: string, seeds: number) => [
    expect.stringMatching(`_status_last_timestamp_seconds.*provider_name="${name}"`),
    expect.stringContaining(`_cache_size{provider_name="${name}"} ${seeds}`),
  ];
  const [first] = await shown();
  expect(await shown()).toEqual(ofPlugin("before", 1));
  await keys("two", "one");
  const changed = async () => {
    time.advance(KMS_STATUS_MS);
    return (await shown()).some((line) => line.includes('"} 2'));
  };
  await waitFor("the next key", changed);
  expect(await shown()).toEqual(ofPlugin("before", 2));
  expect((await shown())[0]!.split("}")[0]).not.toBe(first!.split("}")[0]);
  text = config("after");
  const reloaded = () => {
    time.advance(FILE_RELOAD_MS);
    return made.reloads.success.count > 0;
  };
  await waitFor("the next configuration", reloaded);
  expect(await shown()).toEqual(ofPlugin("after", 1));
});

it("another key of the plugin encrypts from its next status on, and values are stale", async () => {
  await start();
  const time = new ManualClock();
  const secrets = (await encryption(time)).of(SECRETS);
  const old = secrets.encrypt(KEY, VALUE);
  await keys("two", "one");
  await waitFor("the new key", () => {
    time.advance(KMS_STATUS_MS);
    return secrets.decrypt(KEY, old).stale;
  });
  const now = secrets.encrypt(KEY, VALUE);
  expect(secrets.decrypt(KEY, now).stale).toBe(false);
  expect(now.includes("two")).toBe(true);
  await keys("two");
  const next = (await encryption()).of(SECRETS);
  await next.prepare!([old, now]);
  expect(next.decrypt(KEY, now).value).toEqual(VALUE);
  expect(() => next.decrypt(KEY, old)).toThrow("does not decrypt");
});

it("a plugin that dies between two writes: they go on for a while, then stop", async () => {
  await start();
  const time = new ManualClock();
  const made = await encryption(time);
  const secrets = made.of(SECRETS);
  const first = secrets.encrypt(KEY, VALUE);
  await stop();
  time.advance(KMS_WRITE_MS - 1);
  const second = secrets.encrypt(KEY, VALUE);
  await waitFor("the failure", () => fails(() => made.plugins[0]!.check()));
  time.advance(KMS_STATUS_MS);
  expect(() => secrets.encrypt(KEY, VALUE)).toThrow("the KMS plugin sample is not healthy");
  expect(secrets.decrypt(KEY, first).value).toEqual(VALUE);
  const other = (await encryption()).of(SECRETS);
  await expect(other.prepare!([second])).rejects.toThrow("failed to decrypt DEK");
  await start();
  await waitFor("writes again", () => {
    time.advance(KMS_STATUS_MS);
    return !fails(() => secrets.encrypt(KEY, VALUE));
  });
  const read = () => other.prepare!([second])!.then(() => true);
  await waitFor("reads", () => read().catch(() => false));
  expect(other.decrypt(KEY, second).value).toEqual(VALUE);
});

it("a plugin that lies, hangs or answers too much does no harm", async () => {
  const good = { version: "v2", healthz: "ok", keyId: "k" };
  const answer = { ciphertext: Buffer.from("c"), keyId: "k", annotations: {} };
  const huge = { "a.b": Buffer.alloc(KMS_ANNOTATIONS_BYTES_MAX) };
  const never = () => new Promise<never>(() => undefined);
  for (const [status, encrypt, why] of [
    [{ ...good, healthz: "no" }, answer, "got unexpected healthz status: no"],
    [{ ...good, version: "v1" }, answer, "expected KMSv2 API version v2, got v1"],
    [{ ...good, keyId: "" }, answer, "key id has 0 bytes"],
    [{ ...good, keyId: "k".repeat(2_000) }, answer, "key id has 2000 bytes"],
    [good, { ...answer, keyId: "other" }, "name different keys"],
    [good, { ...answer, ciphertext: Buffer.alloc(0) }, "its key has 0 bytes"],
    [good, { ...answer, ciphertext: Buffer.alloc(2_000) }, "its key has 2000 bytes"],
    [good, { ...answer, annotations: huge }, "annotations of"],
    [good, { ...answer, annotations: { bare: Buffer.alloc(1) } }, "is no domain name"],
    [good, { ...answer, annotations: { "a.b": Buffer.alloc(100_000) } }, "larger than max"],
    [undefined, answer, "eadline exceeded"],
  ] as [object | undefined, object, string][]) {
    server = await serveGrpc({
      listen: { path: socket },
      services: [
        serve(KeyManagementService, {
          status: () => (status === undefined ? never() : (status as never)),
          encrypt: () => encrypt as never,
          decrypt: () => {
            throw new RpcError(Status.INTERNAL, "no");
          },
        }),
      ],
    });
    const made = await encryption(clock, config(status === undefined ? { timeout: "1s" } : {}));
    expect(() => made.of(SECRETS).encrypt(KEY, VALUE)).toThrow("is not healthy");
    expect(() => made.plugins[0]!.check()).toThrow(why);
    const shown = await shownOf(made);
    const code = status === undefined ? "DeadlineExceeded" : "OK";
    expect(shown).toContain(
      `method_name="/v2.KeyManagementService/Status",grpc_status_code="${code}"`,
    );
    const error = /key id has (0|2000)/.exec(why)?.[1];
    const counted = /invalid_key_id_from_status_total\{error="(\w+)",provider_name="sample"\} 1/;
    const expected = error && (error === "0" ? "empty" : "too_long");
    expect(counted.exec(shown)?.[1]).toBe(expected);
    await open.pop()!.close();
    await stop();
  }
});

it("stored bytes that are damaged are errors of theirs alone", async () => {
  await start();
  const secrets = (await encryption()).of(SECRETS);
  const stored = secrets.encrypt(KEY, VALUE);
  const prefix = Buffer.from("k8s:enc:kms:v2:sample:");
  const object = EncryptedObject.decode(stored.subarray(prefix.length));
  const damaged = [
    Buffer.alloc(0),
    randomBytes(50),
    stored.subarray(prefix.length, -1),
    ...[
      { keyID: "" },
      { encryptedData: Buffer.alloc(0) },
      { encryptedDEKSourceType: 7 },
      { encryptedDEKSource: randomBytes(40) },
    ].map((more) => asBuffer(EncryptedObject.encode({ ...object, ...more }))),
  ].map((bytes) => Buffer.concat([prefix, bytes]));
  await secrets.prepare!([...damaged, stored]);
  for (const each of damaged) expect(() => secrets.decrypt(KEY, each)).toThrow();
  expect(secrets.decrypt(KEY, stored).value).toEqual(VALUE);
});

it("refuses configurations that make no sense, and asks no plugin then", async () => {
  for (const [more, why] of [
    [{ apiVersion: "v1" }, "v1, the default, is deprecated"],
    [{ apiVersion: undefined }, "must be v2"],
    [{ endpoint: "tcp://x" }, "must be the path of a socket"],
    [{ name: "a:b" }, "without a colon"],
    [{ timeout: "-1s" }, "must be a duration > 0s"],
    [{ cachesize: 5 }, "cachesize: is not a field of it"],
  ] as [object, string][]) {
    await expect(encryption(clock, config(more))).rejects.toThrow(why);
  }
  const empty = config({ cachesize: null, timeout: null });
  await expect(encryption(clock, empty)).resolves.toBeDefined();
  const twice = { kms: { apiVersion: "v2", name: "sample", endpoint: "unix:///x" } };
  await expect(encryption(clock, config({}, [twice]))).rejects.toThrow(
    'two items have the kms.name "sample"',
  );
});
