import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { verify } from "@raft2kube/store/inspect.ts";
import { startStore } from "@raft2kube/store/main.ts";
import { Encrypter } from "age-encryption";
import { beforeAll, describe, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import {
  type ClusterConfig,
  type ClusterRoots,
  planCluster,
  writeCluster,
} from "../spec/config.ts";
import { controlPlaneNames, controlPlanePlace } from "../spec/control-planes.ts";
import { storeDir, storeSocket } from "../spec/store.ts";
import { readFiles, readHeader } from "./contents.ts";
import { createBackup } from "./create.ts";
import { restoreBackup } from "./restore.ts";

const passphrase = "several words of a test";
/** The product's cost takes seconds of each test. */
const scryptLogN = 10;
const signal = new AbortController().signal;
const text = (value: string) => new TextEncoder().encode(value);
/** More than one part of the snapshot. */
const VALUE = "v".repeat(1024 * 1024);
const KEYS = 6;

const dir = suiteFolder("r2k-backup-");
let file: string;
let config: ClusterConfig;

const rootsOf = (name: string): ClusterRoots => {
  return { data: join(dir, name, "data"), run: join(dir, name, "run") };
};

beforeAll(async () => {
  file = join(dir, "cluster.age");
  const roots = rootsOf("first");
  config = await planCluster("saved", roots, {}, []);
  await writeCluster(config);
  await mkdir(join(config.dataDir, "pki"));
  await writeFile(join(config.dataDir, "pki/ca.key"), "the key", { mode: 0o600 });
  await writeFile(join(config.dataDir, "pki/ca.crt"), "the certificate", { mode: 0o644 });
  await writeFile(join(config.dataDir, "admin.conf"), "admin", { mode: 0o600 });
  await mkdir(config.runDir, { recursive: true });
  const store = await startStore({
    dataDir: storeDir(config),
    listenClient: { path: storeSocket(config) },
  });
  try {
    for (let i = 0; i < KEYS; i++) {
      await store.client.put({ key: text(`/registry/${i}`), value: text(VALUE) });
    }
    await createBackup({ config, file, passphrase, now_ms: 0, signal, scryptLogN });
  } finally {
    await store.close();
  }
});

const restore = (from: string, to: string, word = passphrase) =>
  restoreBackup({ file: from, passphrase: word, roots: rootsOf(to), signal, addresses: [] });

it("each of several control planes gets the store; the CA of its members is kept", async () => {
  const several = await planCluster("several", rootsOf("ha"), { controlPlanes: 3 }, []);
  await writeCluster(several);
  await mkdir(join(several.dataDir, "pki/etcd"), { recursive: true });
  await writeFile(join(several.dataDir, "pki/etcd/ca.key"), "the key", { mode: 0o600 });
  // The first control plane is down; each of the others has the whole state.
  const place = controlPlanePlace(several, "control-2");
  await mkdir(place.runDir, { recursive: true });
  const listenClient = { path: storeSocket(place) };
  const store = await startStore({ dataDir: storeDir(place), listenClient });
  const saved = join(dir, "several.age");
  try {
    await store.client.put({ key: text("/registry/a"), value: text("kept") });
    const options = { passphrase, now_ms: 0, signal, scryptLogN };
    await createBackup({ config: several, file: saved, ...options });
  } finally {
    await store.close();
  }
  const { config: there } = await restore(saved, "ha-again");
  expect(readFileSync(join(there.dataDir, "pki/etcd/ca.key"), "utf8")).toBe("the key");
  const [found, members] = [new Set<string>(), new Set<string>()];
  for (const name of controlPlaneNames(there)) {
    const { value: line = "" } = await verify(storeDir(controlPlanePlace(there, name))).next();
    found.add(line.replace(/member \w+ /, ""));
    members.add(line);
  }
  expect(members.size).toBe(3);
  expect([...found]).toEqual([expect.stringMatching(/^of cluster \w+: .*revision 2$/)]);
});

/** Runs `work` with a folder on a disk of this size. */
async function onDisk(name: string, size: string, work: (dir: string) => Promise<void>) {
  const place = join(dir, name);
  await mkdir(place);
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", place]);
  try {
    await work(place);
  } finally {
    execFileSync("umount", ["-l", place]);
  }
}

it.each(["1m", "5m", "9m"])("a restore on a disk of %s is refused and leaves nothing", (size) =>
  onDisk(`full-${size}`, size, async () => {
    const restoring = restore(file, `full-${size}`);
    await expect(restoring).rejects.toMatchObject({ code: "DISK_FULL" });
    expectNothing(`full-${size}`);
  }),
);

it("a backup for which the disk is too small leaves no part of it", () =>
  onDisk("small", "1m", async (small) => {
    const place = { ...config, runDir: join(dir, "small-run") };
    await mkdir(place.runDir);
    const store = await startStore({
      dataDir: storeDir(place),
      listenClient: { path: storeSocket(place) },
    });
    const options = { config: place, passphrase, now_ms: 0, signal, scryptLogN };
    const full = join(small, "cluster.age");
    await expect(createBackup({ ...options, file: full })).rejects.toMatchObject({
      code: "DISK_FULL",
      message: `${full} cannot be written: no space is left on its disk`,
    });
    await store.close();
    expect(readdirSync(small)).toEqual([]);
  }));

/** Nothing of a refused restore is left. */
function expectNothing(to: string): void {
  const { data } = rootsOf(to);
  expect(existsSync(data) ? readdirSync(data) : []).toEqual([]);
}

it("a restored cluster has the files, their modes, and every key at its revision", async () => {
  const { header, config: there, revision } = await restore(file, "second");
  const created = "1970-01-01T00:00:00.000Z";
  expect(header).toMatchObject({ formatVersion: 1, cluster: "saved", created });
  expect(there).toEqual({ ...config, dataDir: there.dataDir, runDir: there.runDir });
  expect(there.dataDir).toBe(join(rootsOf("second").data, "saved"));
  expect(readFileSync(join(there.dataDir, "pki/ca.key"), "utf8")).toBe("the key");
  expect(statSync(join(there.dataDir, "pki/ca.key")).mode & 0o777).toBe(0o600);
  expect(statSync(join(there.dataDir, "pki/ca.crt")).mode & 0o777).toBe(0o644);
  expect(readdirSync(there.dataDir).sort()).toEqual(["admin.conf", "cluster.json", "pki", "store"]);
  const store = await startStore({ dataDir: storeDir(there) });
  try {
    const { kvs } = await store.client.range({ key: text("/registry/5") });
    expect(Buffer.from(kvs[0]!.value).toString()).toBe(VALUE);
    expect(Number(kvs[0]!.modRevision)).toBe(revision);
  } finally {
    await store.close();
  }
  await expect(restore(file, "second")).rejects.toMatchObject({ code: "CLUSTER_EXISTS" });
});

it("a backup is refused where another cluster, or this host, has its addresses", async () => {
  const roots = rootsOf("taken");
  await writeCluster(await planCluster("other", roots, {}, []));
  await expect(restore(file, "taken")).rejects.toMatchObject({
    code: "ADDRESSES_TAKEN",
    message: expect.stringContaining('which the cluster "other" has too'),
  });
  expect(readdirSync(roots.data)).toEqual(["other"]);
  const own = { file, passphrase, roots: rootsOf("own"), signal, addresses: [config.hostAddress] };
  await expect(restoreBackup(own)).rejects.toThrow(/which this host has too/);
  expectNothing("own");
});

it("what a killed restore left is removed by the next", async () => {
  const { data } = rootsOf("killed");
  await mkdir(join(data, ".restoring/pki"), { recursive: true });
  await mkdir(join(data, ".restoring-4711/pki"), { recursive: true });
  await restore(file, "killed");
  expect(readdirSync(data)).toEqual(["saved"]);
});

it.each([
  { joins: { cgroup: "/" } },
  { slot: -7 },
  { hostAddress: "127.0.0.1" },
  { nodeAddress: '10.0.0.1", port: 1 }); process.exit(0); ({"' },
  { controlPlane: "joins" as const },
  { name: "elsewhere" },
])("a configuration that no start wrote is refused: %o", async (change) => {
  const [name] = Object.keys(change);
  const altered = join(dir, `altered-${name}.age`);
  const place = { ...config, dataDir: join(dir, `altered-${name}`) };
  // Without the store's megabytes.
  const filter = (path: string) => path !== storeDir(config);
  await cp(config.dataDir, place.dataDir, { recursive: true, filter });
  await writeCluster({ ...config, ...change }, place.dataDir);
  const store = await startStore({
    dataDir: storeDir(place),
    listenClient: { path: storeSocket(place) },
  });
  try {
    await createBackup({ config: place, file: altered, passphrase, now_ms: 0, signal, scryptLogN });
  } finally {
    await store.close();
  }
  await expect(restore(altered, `to-${name}`)).rejects.toMatchObject({ code: "DAMAGED_BACKUP" });
  expectNothing(`to-${name}`);
});

it("a backup without its store is none, and leaves no part of a file", async () => {
  const down = { config, file: join(dir, "down.age"), passphrase, now_ms: 0, signal, scryptLogN };
  await expect(createBackup(down)).rejects.toMatchObject({ code: "STORE_DOWN" });
  expect(readdirSync(dir).filter((name) => name.startsWith("down"))).toEqual([]);
});

it("a snapshot that breaks off is not continued with another member's", async () => {
  const sockets = ["breaks.sock", "whole.sock"].map((name) => join(dir, name));
  const parts = (broken: boolean) =>
    async function* () {
      yield { blob: Buffer.from("part"), remainingBytes: 1 };
      if (broken) throw new RpcError(Status.UNAVAILABLE, "the member ends");
    };
  const servers = await Promise.all(
    sockets.map((path, i) => {
      const services = [serve(Maintenance, { snapshot: parts(i === 0) })];
      return serveGrpc({ listen: { path }, services });
    }),
  );
  const etcdServers = servers.map(({ address }) => address).join();
  const broken = { config: { ...config, etcdServers }, file: join(dir, "broken.age") };
  try {
    const rest = { passphrase, now_ms: 0, signal, scryptLogN };
    await expect(createBackup({ ...broken, ...rest })).rejects.toMatchObject({
      code: "STORE_DOWN",
      message: expect.stringContaining("broke off") as string,
    });
    expect(readdirSync(dir).filter((name) => name.startsWith("broken"))).toEqual([]);
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
});

it.each(["there.age", "there.age.partial"])("a backup replaces no file %s", async (name) => {
  const there = join(dir, name);
  await writeFile(there, "another's");
  const place = { ...config, dataDir: join(dir, `data-${name}`), runDir: join(dir, `run-${name}`) };
  await mkdir(place.runDir);
  const store = await startStore({
    dataDir: storeDir(place),
    listenClient: { path: storeSocket(place) },
  });
  const again = { config: place, file: join(dir, "there.age"), passphrase, now_ms: 0, signal };
  try {
    await expect(createBackup({ ...again, scryptLogN })).rejects.toMatchObject({
      code: "FILE_EXISTS",
      message: `${there} exists`,
    });
  } finally {
    await store.close();
  }
  expect(readFileSync(there, "utf8")).toBe("another's");
  await rm(there);
});

describe("a data folder", () => {
  it.each([
    ["pki", (path: string) => symlink("pki", path), /pki cannot be read: ELOOP/],
    ["pki/ca.key", (path: string) => symlink("nowhere", path), /ca.key cannot be read: ENOENT/],
    ["pki/other", (path: string) => mkdir(path), /other cannot be read: EISDIR/],
    ["pki/.hidden", (path: string) => writeFile(path, ""), /.hidden has a name/],
  ])("with a broken %s is refused by its name", async (name, make, message) => {
    const from = await mkdtemp(join(dir, "broken-"));
    if (name !== "pki") await mkdir(join(from, "pki"));
    await make(join(from, name));
    const refused = { code: "BACKUP_FILE", message: expect.stringMatching(message) };
    await expect(readFiles(from)).rejects.toMatchObject(refused);
  });

  it("may have others' files beside the cluster's, which are left out", async () => {
    const from = await mkdtemp(join(dir, "others-"));
    for (const name of ["admin.conf", "admin.old.conf", "Notes.yaml", "note.txt"]) {
      await writeFile(join(from, name), "");
    }
    expect((await readFiles(from)).map(({ name }) => name)).toEqual(["admin.conf"]);
  });
});

describe("a file that is not as it was written is refused, and leaves nothing", () => {
  const broken = (name: string, change: (bytes: Buffer) => Buffer) => {
    const path = join(dir, name);
    writeFileSync(path, change(readFileSync(file)));
    return path;
  };

  it("another passphrase", async () => {
    const restoring = restore(file, "r1", "another one");
    await expect(restoring).rejects.toMatchObject({ code: "NOT_DECRYPTED" });
    expectNothing("r1");
  });

  it("no backup at all", async () => {
    const path = broken("text", () => Buffer.from("apiVersion: v1\nkind: ConfigMap\n"));
    await expect(restore(path, "r2")).rejects.toMatchObject({ code: "NOT_DECRYPTED" });
    await expect(restore(join(dir, "absent"), "r2")).rejects.toMatchObject({ code: "NO_FILE" });
    expectNothing("r2");
  });

  it("cut short", async () => {
    const path = broken("cut", (bytes) => bytes.subarray(0, bytes.length - 70_000));
    await expect(restore(path, "r3")).rejects.toMatchObject({ code: "DAMAGED_BACKUP" });
    expectNothing("r3");
  });

  it("one byte changed", async () => {
    const path = broken("flipped", (bytes) => {
      bytes[bytes.length - 100_000]! ^= 1;
      return bytes;
    });
    await expect(restore(path, "r4")).rejects.toMatchObject({ code: "DAMAGED_BACKUP" });
    expectNothing("r4");
  });

  it("aborted", async () => {
    const abort = AbortSignal.abort(new Error("interrupted"));
    const options = { file, passphrase, roots: rootsOf("r5"), signal: abort, addresses: [] };
    await expect(restoreBackup(options)).rejects.toThrow(/interrupted|abort/);
    expectNothing("r5");
  });
});

describe("what a stranger with the passphrase wrote does not leave the data folder", () => {
  const header = { name: "backup.json", content: '{"formatVersion":1,"cluster":"saved"}' };
  const outside: Record<string, TarInput> = {
    up: { name: "../outside", content: "x" },
    below: { name: "pki/../../outside", content: "x" },
    link: { name: "admin.conf", type: "symlink", linkname: "/etc/passwd" },
    part: { name: "store/000007", content: "x" },
  };
  it.each(Object.keys(outside))("%s", async (name) => {
    const path = join(dir, `hostile-${name}`);
    const encrypter = new Encrypter();
    encrypter.setScryptWorkFactor(scryptLogN);
    encrypter.setPassphrase(passphrase);
    const tar = await buffer(writeTar([header, outside[name]!]));
    await writeFile(path, await encrypter.encrypt(tar));
    const restoring = restore(path, `h-${name}`);
    await expect(restoring).rejects.toMatchObject({ code: "DAMAGED_BACKUP" });
    expectNothing(`h-${name}`);
  });
});

it("a newer format, and a cluster's name that is none, are refused by name", () => {
  const later = '{"formatVersion":2,"version":"9.0.0","cluster":"saved","created":"..."}';
  expect(() => readHeader("backup.json", later)).toThrow(/has format 2, this r2k reads 1/);
  expect(() => readHeader("other.json", later)).toThrow(/no backup/);
  expect(() => readHeader("backup.json", "[]")).toThrow(/no backup/);
});
