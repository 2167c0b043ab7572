import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { load } from "./apiserver/load.ts";
import type { Row } from "./benchmark.ts";
import { etcdSide } from "./store/cluster.ts";
import { fill, maintained } from "./store/rows.ts";
import type { ApiserverWhere } from "./turns/apiserver-server.ts";
import { startMeasured } from "./turns/measured.ts";
import type { StoreWhere } from "./turns/store-server.ts";
import type { Turns } from "./turns/turns.ts";

const KEYS = 100_000;
const STORE_LIMIT_MS = 5;
const APISERVER_LIMIT_MS = 10;

/**
 * `bench -- turns [store] [apiserver]`: turns of the loop with 100,000 keys that take more CPU time
 * than their goal, collections apart, and the p99 of Puts in the store's load beside etcd's.
 */
export async function turns(args: readonly string[]): Promise<Row[]> {
  const wanted = (name: string) => args.length === 0 || args.includes(name);
  return [
    ...(wanted("store") ? await store() : []),
    ...(wanted("apiserver") ? await apiserver() : []),
  ];
}

/** Runs Puts beside compactions, snapshots, whole reads and defragmentations. */
async function store(): Promise<Row[]> {
  const disturbed = ({ endpoints }: { endpoints: string }) =>
    maintained({ endpoints }, (ctl) => ctl("--command-timeout=60s", "defrag"));
  const flags = ["--max-semi-space-size=4", "--heap-growing-percent=200"];
  const server = join(import.meta.dirname, "turns/store-server.ts");
  const { where, during, stop } = await startMeasured<StoreWhere>(server, flags);
  const endpoints = where.address;
  let p99_ms = 0;
  let found: Turns;
  try {
    await fill({ endpoints }, KEYS);
    found = await during(STORE_LIMIT_MS, async () => {
      p99_ms = (await disturbed({ endpoints })).value;
    });
  } finally {
    await stop();
  }
  const side = etcdSide();
  const etcd = await side.start(1);
  try {
    await fill(etcd, KEYS);
    const peer = { name: side.name, value: (await disturbed(etcd)).value };
    const what = "p99 of Put beside the store's work on 100,000 keys";
    return [
      ...rowsOf("store", STORE_LIMIT_MS, found),
      { what, unit: "ms", ours: p99_ms, peer, goal: "<= 1.0x" },
    ];
  } finally {
    await etcd.close();
  }
}

const MAPS = "/api/v1/namespaces/default/configmaps";
const LISTS: readonly object[] = [
  {},
  { gzip: true },
  { "resource-version": "0" },
  { limit: 500 },
  { accept: "application/json;as=Table;g=meta.k8s.io;v=v1" },
];

/** Lists of all kinds and watches, while objects are written. */
async function apiserver(): Promise<Row[]> {
  const server = join(import.meta.dirname, "turns/apiserver-server.ts");
  const flags = ["--max-semi-space-size=16"];
  const { where, during, stop } = await startMeasured<ApiserverWhere>(server, flags);
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  try {
    await fillMaps(where.etcd);
    const file = (name: "ca" | "cert" | "key") => {
      const path = join(dir, name);
      writeFileSync(path, where[name], { mode: 0o600 });
      return path;
    };
    const credentials = { ca: file("ca"), admin: { cert: file("cert"), key: file("key") } };
    const work = (name: string, more: object) =>
      load(where, credentials, name, { path: MAPS, count: KEYS, ...more });
    const found = await during(APISERVER_LIMIT_MS, async () => {
      const lists = async () => {
        for (const list of LISTS) await work("list", { ...list, count: 2 });
      };
      const watches = work("watch", { clients: 50, rate: 50, duration: "20s" });
      await Promise.all([watches, lists()]);
    });
    return rowsOf("apiserver", APISERVER_LIMIT_MS, found);
  } finally {
    await stop();
    rmSync(dir, { recursive: true });
  }
}

/** Objects as an apiserver stores them. */
async function fillMaps(endpoint: string): Promise<void> {
  const client = connectEtcd({ endpoints: [endpoint] });
  const creationTimestamp = "2020-01-01T00:00:00Z";
  const put = (i: number) => {
    const name = `bench-${String(i).padStart(5, "0")}`;
    const uid = `00000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
    const metadata = { name, namespace: "default", uid, creationTimestamp };
    const data = { a: "x".repeat(200) };
    const object = { apiVersion: "v1", kind: "ConfigMap", metadata, data };
    const key = Buffer.from(`/registry/configmaps/default/${name}`);
    return { requestPut: { key, value: encodeObject("core/v1.ConfigMap", object) } };
  };
  const chunk = 100;
  for (let i = 0; i < KEYS; i += chunk) {
    await client.txn({ success: Array.from({ length: chunk }, (_, j) => put(i + j)) });
  }
  await client.close();
}

function rowsOf(of: string, limit_ms: number, found: Turns): Row[] {
  const { long, longest_ms, longOwn, longestOwn_ms } = found;
  const turns = `${of}: turns above ${limit_ms} ms with 100,000 keys`;
  return [
    { what: `${turns}, collections apart`, unit: "", ours: longOwn, goal: "0" },
    { what: `${of}: the longest of them`, unit: "ms", ours: longestOwn_ms },
    { what: `${turns}, collections included`, unit: "", ours: long },
    { what: `${of}: the longest of those`, unit: "ms", ours: longest_ms },
  ];
}
