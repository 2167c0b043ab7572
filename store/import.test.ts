// In a process of its own: buffers that it fills make V8 collect all that the process has.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import {
  DowngradeRequest_DowngradeAction as Action,
  Maintenance,
} from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { freePort } from "../testing/free-port.ts";
import { waitFor } from "../testing/wait.ts";
import { importSnapshot } from "./import.ts";
import { verify } from "./inspect.ts";
import { type Store, startStore } from "./main.ts";

const KEPT = join(import.meta.dirname, "bbolt/testdata");
const EVERYTHING = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
const bytes = (text: string) => Buffer.from(text);

let folder: string;
beforeEach(() => void (folder = testFolder("r2k-import-")));

function optionsFor(file: string, dataDir = "data") {
  const place = { file, dataDir: join(folder, dataDir) };
  return { ...place, name: "default", clusterToken: "etcd-cluster" };
}

/** Each key as a client reads it. */
async function seen(store: Store, revision = 0): Promise<string[]> {
  const { kvs } = await store.client.range({ ...EVERYTHING, revision });
  return kvs.map((kv) => {
    const { key, value, createRevision, modRevision, version, lease } = kv;
    return `${key}=${value} ${createRevision} ${modRevision} ${version} ${lease}`;
  });
}

describe.each(["etcd-3.4.db", "etcd-3.6.db"])("S3: %s", (name) => {
  test("is served with the revisions, lease and compaction it was saved with", async () => {
    const options = optionsFor(join(KEPT, name));
    const imported = await importSnapshot(options);
    expect(imported).toMatchObject({ revision: 23, compactRevision: 9, leases: 1, users: 1 });
    expect(imported.hasDigest).toBe(true);
    const store = await startStore({ dataDir: options.dataDir });
    expect(await seen(store)).toEqual([
      "in-txn=x 23 23 1 0",
      "key-0=value 14 2 16 3 0",
      "key-1=value 15 3 17 3 0",
      "key-3=value 17 5 19 3 0",
      "key-4=value 18 6 20 3 1234",
      "key-6=value 13 8 15 2 0",
    ]);
    expect(await seen(store, 12)).toContain("key-2=value 9 4 11 2 0");
    await expect(seen(store, 8)).rejects.toThrow("compacted");
    const lease = await store.client.leaseTimeToLive({ ID: 1234n, keys: true });
    expect(lease.grantedTTL).toBe(8_000_000);
    expect(lease.keys.map(String)).toEqual(["key-4"]);
    const put = await store.client.put({ key: bytes("key-0"), prevKv: true });
    expect(put.header!.revision).toBe(24);
    expect(put.prevKv).toMatchObject({ version: 3, modRevision: 16 });
    await store.close();
    const lines: string[] = [];
    for await (const line of verify(options.dataDir)) lines.push(line);
    expect(lines[0]).toMatch(/revision 24$/);
  });
});

test("three members that import the same file are one cluster with it", async () => {
  const file = join(KEPT, "etcd-3.6.db");
  const ports = [await freePort(), await freePort(), await freePort()];
  const urls = ports.map((port) => [`http://127.0.0.1:${port}`]);
  const initialCluster = Object.fromEntries(["a", "b", "c"].map((name, i) => [name, urls[i]!]));
  const starting = ["a", "b", "c"].map(async (name, i) => {
    const cluster = { initialCluster, advertiseUrls: urls[i]! };
    const { dataDir, clusterToken } = optionsFor(file, name);
    await importSnapshot({ file, dataDir, name, clusterToken, cluster });
    const peers = { ...cluster, listen: { host: "127.0.0.1", port: ports[i]! } };
    return startStore({ dataDir, name, peers });
  });
  const members = await Promise.all(starting);
  const put = await members[1]!.client.put({ key: bytes("key-0"), value: bytes("new") });
  expect(put.header!.revision).toBe(24);
  for (const member of members) {
    expect(await seen(member)).toContain("key-0=new 2 24 4 0");
    expect(await seen(member, 12)).toContain("key-2=value 9 4 11 2 0");
  }
  await Promise.all(members.map((member) => member.close()));
});

test("a snapshot of ours is taken in again, big values and three members too", async () => {
  const source = await startStore({
    dataDir: join(folder, "source"),
    listenClient: { host: "127.0.0.1", port: 0 },
  });
  const remote = connectEtcd({ endpoints: [`http://${source.address}`] });
  await remote.leaseGrant({ TTL: 500, ID: 77n });
  for (let i = 0; i < 300; i++) {
    const value = Buffer.alloc(i === 7 ? 1_000_000 : i * 10, 65 + (i % 26));
    await remote.put({ key: bytes(`key ${i % 200}`), value, lease: i % 50 === 0 ? 77n : 0n });
  }
  await remote.deleteRange({ key: bytes("key 1"), rangeEnd: bytes("key 11") });
  await remote.compact({ revision: 150, physical: true });
  const file = join(folder, "saved.db");
  writeFileSync(file, await save(source.address!));
  const [before, older] = [await seen(source), await seen(source, 200)];
  await remote.close();
  await source.close();

  const url = "http://127.0.0.1:1";
  const initialCluster = { a: [url], b: ["http://127.0.0.1:2"], c: ["http://127.0.0.1:3"] };
  const cluster = { initialCluster, advertiseUrls: [url] };
  await importSnapshot({ ...optionsFor(file, "one-of-three"), name: "a", cluster });
  const options = optionsFor(file, "alone");
  await importSnapshot(options);
  const copy = await startStore({ dataDir: options.dataDir });
  expect(await seen(copy)).toEqual(before);
  expect(await seen(copy, 200)).toEqual(older);
  await expect(seen(copy, 149)).rejects.toThrow("compacted");
  await copy.close();
  await expect(startStore({ dataDir: join(folder, "one-of-three") })).rejects.toMatchObject({
    code: "NO_PEERS",
  });
});

/** Maintenance.Snapshot to its end. */
async function save(address: string): Promise<Buffer> {
  const channel = connectGrpc(`http://${address}`, {});
  const parts: Buffer[] = [];
  let remaining: number | undefined;
  for await (const { blob, remainingBytes, version } of client(channel, Maintenance).snapshot({})) {
    expect(version).toBe("3.6.0");
    if (remaining !== undefined && remaining > 0) {
      expect(remainingBytes).toBe(remaining - blob.length);
    }
    remaining = remainingBytes;
    parts.push(blob);
  }
  channel.close();
  expect(remaining).toBe(0);
  return Buffer.concat(parts);
}

test("a snapshot is of one moment while writes go on", async () => {
  const source = await startStore({
    dataDir: join(folder, "source"),
    listenClient: { host: "127.0.0.1", port: 0 },
  });
  let writing = true;
  // Long enough to read that writes reach the disk meanwhile.
  const pad = Buffer.alloc(10_000, 66);
  let written = 0;
  const write = async () => {
    for (let i = 0; writing; i++) {
      const value = Buffer.concat([bytes(`${i} `), pad]);
      const put = (key: string) => ({ requestPut: { key: bytes(`${key}${i % 100}`), value } });
      await source.client.txn({ success: [put("first "), put("second ")] });
      written++;
      if (i % 200 === 199) await source.client.compact({ revision: i - 100 });
    }
  };
  const writers = write();
  await waitFor("much to be written", () => written > 200);
  for (let round = 0; round < 2; round++) {
    const began = (await source.client.range({ key: bytes("x") })).header!.revision;
    const file = join(folder, "saved.db");
    writeFileSync(file, await save(source.address!));
    const options = optionsFor(file, `copy-${round}`);
    const { revision } = await importSnapshot(options);
    expect(revision).toBeGreaterThanOrEqual(began);
    const copy = await startStore({ dataDir: options.dataDir });
    const all = await seen(copy);
    const half = all.length / 2;
    const values = all.map((line) => line.replace(/^[a-z]+ /, ""));
    expect(values.slice(half)).toEqual(values.slice(0, half));
    await copy.close();
  }
  writing = false;
  await writers;
  await source.close();
});

/** A snapshot of etcd 3.6.5 that was saved while a downgrade to 3.5 was under way. */
const DOWNGRADING = join(KEPT, "etcd-3.6-downgrading.db");

test("a downgrade under way goes on, as after etcd's restore, and can be ended", async () => {
  const options = optionsFor(DOWNGRADING);
  expect((await importSnapshot(options)).downgradeTarget).toBe("3.5.0");
  const listenClient = { host: "127.0.0.1", port: 0 };
  const store = await startStore({ dataDir: options.dataDir, listenClient });
  const begun = await store.client.status();
  expect(begun.downgradeInfo).toEqual({ enabled: true, targetVersion: "3.5.0" });
  expect(begun.storageVersion).toBe("3.5.0");
  const channel = connectGrpc(`http://${store.address}`);
  await client(channel, Maintenance).downgrade({ action: Action.CANCEL });
  channel.close();
  const ended = await store.client.status();
  expect(ended.downgradeInfo).toEqual({ enabled: false, targetVersion: "" });
  await store.close();
});

/** The same as a stopped member's db, which has no digest, with other words in it. */
function downgradingWith(from: string, to: string): string {
  const file = join(folder, "member.db");
  const bytes = readFileSync(DOWNGRADING);
  const db = bytes.subarray(0, bytes.length - (bytes.length % 512)).toString("latin1");
  expect(db).toContain(from);
  writeFileSync(file, db.replaceAll(from, to), "latin1");
  return file;
}

test("of a downgrade that is over nothing is left; one to elsewhere is refused", async () => {
  const over = downgradingWith('"target-version":"3.5.0"', '"target-version":"3.6.0"');
  expect((await importSnapshot(optionsFor(over, "over"))).downgradeTarget).toBeUndefined();
  const older = optionsFor(downgradingWith('"target-version":"3.5.0"', '"target-version":"3.4.0"'));
  await expect(importSnapshot(older)).rejects.toMatchObject({
    code: "DOWNGRADE_TARGET",
    message: "a downgrade to 3.4.0 is under way in it",
  });
  const garbled = optionsFor(downgradingWith('{"target-version"', '["target-version"'));
  await expect(importSnapshot(garbled)).rejects.toMatchObject({ code: "BBOLT_DAMAGED" });
  expect(existsSync(garbled.dataDir)).toBe(false);
});

test("what cannot be imported leaves nothing behind", async () => {
  const used = optionsFor(join(KEPT, "etcd-3.6.db"), ".");
  writeFileSync(join(folder, "something"), "");
  await expect(importSnapshot(used)).rejects.toMatchObject({ code: "DATA_DIR_USED" });
  const missing = optionsFor(join(folder, "missing.db"));
  await expect(importSnapshot(missing)).rejects.toMatchObject({ code: "NO_FILE" });
  const foreign = optionsFor(join(folder, "something"));
  await expect(importSnapshot(foreign)).rejects.toMatchObject({ code: "BBOLT_FORMAT" });
  expect(existsSync(foreign.dataDir)).toBe(false);
  expect(existsSync(`${foreign.dataDir}.importing`)).toBe(false);
});
