import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { openBbolt } from "@raft2kube/bbolt/read.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { type Store, startStore } from "@raft2kube/store/main.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import {
  ETCD_34,
  ETCD_36,
  type EtcdRelease,
  isThere,
  type RunningEtcd,
  runProgram,
  startEtcd,
} from "./etcd-programs.ts";

// Takes turns, clients of etcd: see etcdctl.test.ts.

const R2K = join(import.meta.dirname, "../../../cli/main.ts");
const LEASE = "4d2";
let folder: string;
let running: { stop(): Promise<void> }[];

beforeEach(() => {
  folder = testFolder("r2k-snapshot-");
  running = [];
});
afterEach(async () => {
  for (const each of running) await each.stop();
});

async function startOurs(name: string): Promise<string> {
  const listenClient = { host: "127.0.0.1", port: 0 };
  const store: Store = await startStore({ dataDir: join(folder, name), listenClient });
  running.push({ stop: () => store.close() });
  return store.address!;
}

async function startTheirs(release: EtcdRelease, name: string): Promise<RunningEtcd> {
  const etcd = await startEtcd(release, join(folder, name));
  running.push(etcd);
  return etcd;
}

/** etcdctl against an endpoint; what it prints, or a failure. */
function ctl({ etcdctl }: EtcdRelease, endpoint: string) {
  return async (args: string[], input = ""): Promise<string> => {
    const result = await runProgram(etcdctl, ["--endpoints", endpoint, ...args], input);
    if (result.code === 0) return result.stdout;
    throw new Error(`etcdctl ${args.join(" ")}: ${result.stderr || result.stdout}`);
  };
}

type Ctl = ReturnType<typeof ctl>;

/** Everything that a snapshot has to carry over: a history, a lease, what is deleted, compacted. */
async function fill(run: Ctl, grantLease: () => Promise<void>): Promise<void> {
  await grantLease();
  for (let i = 0; i < 24; i++) {
    const lease = i % 8 === 0 ? [`--lease=${LEASE}`] : [];
    await run(["put", ...lease, `key-${i % 9}`, `value ${i}`]);
  }
  await run(["del", "key-3"]);
  await run(["txn"], "\nput in-txn x\nput also y\ndel key-5\n\n\n");
  await run(["put", "big", "--"], "b".repeat(400_000));
  await run(["role", "add", "reader"]);
  await run(["role", "grant-permission", "reader", "--prefix=true", "read", "key-"]);
  await run(["user", "add", "ann:secret"]);
  await run(["user", "grant-role", "ann", "reader"]);
  await run(["user", "add", "root:deeper"]);
  await run(["user", "grant-role", "root", "root"]);
  await run(["compaction", "7", "--physical"]);
  await run(["compaction", "12"]);
}

/** Returns a client's view of the data: equal on every store, except for ids, terms and size. */
async function seen(run: Ctl): Promise<unknown> {
  const json = async (args: string[]) => {
    const { header, ...rest } = JSON.parse(await run([...args, "-w", "json"])) as {
      header: { revision: number };
    };
    return { revision: header.revision, ...rest };
  };
  const lease = JSON.parse(await run(["lease", "timetolive", LEASE, "--keys", "-w", "json"])) as {
    "granted-ttl": number;
    keys: string[];
  };
  return {
    now: await json(["get", "", "--prefix"]),
    then: await json(["get", "", "--prefix", "--rev=15"]),
    compacted: await run(["get", "x", "--rev=11"]).catch((error: Error) => {
      return /required revision has been compacted/.test(error.message);
    }),
    user: await run(["user", "get", "ann"]),
    role: await run(["role", "get", "reader"]),
    hash: (await run(["endpoint", "hashkv"])).split(", ")[1]!.trim(),
    lease: { ttl: lease["granted-ttl"], keys: lease.keys.sort() },
  };
}

/** etcd's hash of a snapshot file, by our own reader. */
async function hashOf(path: string): Promise<number> {
  const file = await openBbolt(path);
  let hash = 0;
  for (const name of file.buckets) {
    hash = crc32c(Buffer.from(name), hash);
    for await (const chunk of file.pairs(name)) {
      for (const [key, value] of chunk) hash = crc32c(value, crc32c(key, hash));
    }
  }
  await file.close();
  return hash;
}

/** The users that came along get in with their passwords, and no further than their roles. */
async function expectUsers(run: Ctl): Promise<void> {
  await run(["auth", "enable"]);
  const ann = ["--user", "ann:secret"];
  expect(await run([...ann, "get", "key-1", "--print-value-only"])).toMatch(/^value [0-9]+\n$/);
  await expect(run([...ann, "put", "key-1", "x"])).rejects.toThrow("permission denied");
  await expect(run(["--user", "ann:wrong", "get", "key-1"])).rejects.toThrow("invalid user");
  await expect(run(["get", "key-1"])).rejects.toThrow("user name is empty");
}

function judgedBy(release: EtcdRelease): void {
  const saved = () => join(folder, "saved.db");

  async function restored(file: string): Promise<Ctl> {
    const to = join(folder, "restored");
    const args = ["snapshot", "restore", file, "--data-dir", to];
    const { code, stderr } = await runProgram(release.etcdutl, args);
    expect(code, stderr).toBe(0);
    const { endpoint } = await startTheirs(release, "restored");
    return ctl(release, endpoint);
  }

  test("ours is saved, checked, restored and served with equal revisions", async () => {
    const endpoint = await startOurs("ours");
    const run = ctl(release, endpoint);
    await fill(run, () => grant(endpoint));
    await run(["snapshot", "save", saved()]);
    const status = await runProgram(release.etcdutl, ["snapshot", "status", saved(), "-w", "json"]);
    const { hash, revision, totalKey, totalSize } = JSON.parse(status.stdout) as {
      hash: number;
      revision: number;
      totalKey: number;
      totalSize: number;
    };
    expect(revision).toBe(28);
    expect(hash).toBe(await hashOf(saved()));
    expect(totalKey).toBeGreaterThan(8);
    expect(totalSize % 4096).toBe(0);
    const before = await seen(run);
    const there = await restored(saved());
    expect(await seen(there)).toEqual(before);
    expect(await there(["put", "key-0", "goes on"])).toBe("OK\n");
    expect(JSON.parse(await there(["get", "key-0", "-w", "json"]))).toMatchObject({
      header: { revision: 29 },
    });
    await expectUsers(there);
  });

  test("its snapshot and its db are imported and served with equal revisions", async () => {
    const etcd = await startTheirs(release, "theirs");
    const run = ctl(release, etcd.endpoint);
    await fill(run, () => grant(etcd.endpoint));
    const before = await seen(run);
    await run(["snapshot", "save", saved()]);
    // Its backend is written every 100 ms; the log is not looked at.
    await run(["defrag"]);
    await etcd.stop();
    const db = join(folder, "theirs/member/snap/db");
    const files = { "from-snapshot": saved(), "from-db": db };
    for (const [name, file] of Object.entries(files)) {
      const dataDir = join(folder, name);
      const args = [R2K, "store", "import", file, "--data-dir", dataDir];
      const imported = await runProgram(process.execPath, args);
      expect(imported.code, imported.stderr).toBe(0);
      const digest = name === "from-snapshot" ? "its SHA-256 is right" : "it has no SHA-256";
      expect(imported.stdout).toContain("revision 28, compacted at 12\n");
      expect(imported.stdout).toContain(digest);
      const endpoint = await startOurs(name);
      const there = ctl(release, endpoint);
      expect(await seen(there), name).toEqual(before);
      await expectUsers(there);
    }
  });

  test("make-mirror copies from ours to it, and back", async () => {
    const ours = await startOurs("ours");
    const { endpoint: theirs } = await startTheirs(release, "theirs");
    await mirrors(ours, theirs);
    await mirrors(theirs, ours);
  });

  /** Checks that existing and later keys are copied to the other store. */
  async function mirrors(from: string, to: string): Promise<void> {
    const [source, target] = [ctl(release, from), ctl(release, to)];
    await source(["put", `${from}/before`, "1"]);
    await source(["put", `${from}/gone`, "1"]);
    const flags = ["--endpoints", from, "make-mirror", "--prefix", from, to];
    const env = { ...process.env, ...(release === ETCD_34 ? { ETCDCTL_API: "3" } : {}) };
    const mirror: ChildProcess = spawn(release.etcdctl, flags, { env, stdio: "ignore" });
    const has = (key: string, value: string) => {
      const same = async () => {
        return (await target(["get", `${from}/${key}`, "--print-value-only"])).trim() === value;
      };
      return waitFor(`${key} in the mirror`, same);
    };
    try {
      await has("before", "1");
      await has("gone", "1");
      await source(["put", `${from}/after`, "2"]);
      await source(["del", `${from}/gone`]);
      await has("after", "2");
      await has("gone", "");
    } finally {
      mirror.kill("SIGKILL");
    }
  }
}

/** A lease with a known id, which etcdctl cannot ask for. */
async function grant(endpoint: string): Promise<void> {
  const client = connectEtcd({ endpoints: [`http://${endpoint}`] });
  await client.leaseGrant({ ID: BigInt(`0x${LEASE}`), TTL: 8_000_000 });
  await client.close();
}

describe.runIf(isThere(ETCD_34))("snapshots judged by etcd 3.4", () => judgedBy(ETCD_34));
describe.runIf(isThere(ETCD_36))("snapshots judged by etcd 3.6", () => judgedBy(ETCD_36));
