import { join } from "node:path";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { type Store, startStore } from "../main.ts";
import type { Disk, DiskFile } from "../wal/disk.ts";
import { MemberMetrics } from "./member.ts";

const folder = suiteFolder("r2k-measures-");
let store: Store | undefined;
let lines: { msg: string; [field: string]: unknown }[] = [];
afterEach(async () => {
  await store?.close();
  store = undefined;
  configureLog({});
});

/** Keeps what is logged, for the test to look at. */
function keepLog(): void {
  lines = [];
  const write = (line: string) => void lines.push(JSON.parse(line) as (typeof lines)[number]);
  configureLog({ level: "info", stream: { write } });
}

async function samples(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** The metrics that etcd's own dashboard and alerts use. */
const DASHBOARD = [
  "etcd_server_has_leader",
  "etcd_server_leader_changes_seen_total",
  "etcd_server_proposals_failed_total",
  "etcd_server_proposals_pending",
  "etcd_server_proposals_committed_total",
  "etcd_server_proposals_applied_total",
  "etcd_server_slow_apply_total",
  "etcd_server_quota_backend_bytes",
  "etcd_mvcc_db_total_size_in_bytes",
  "etcd_mvcc_db_total_size_in_use_in_bytes",
  "etcd_disk_wal_fsync_duration_seconds_count",
  'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"}',
  "etcd_disk_backend_commit_duration_seconds_count",
  "etcd_debugging_mvcc_keys_total",
  "process_resident_memory_bytes",
  "process_open_fds",
  "process_start_time_seconds",
];

test("what dashboards ask for is there, and counts", async () => {
  store = await startStore({
    dataDir: join(folder, "counts"),
    listenClient: { host: "127.0.0.1", port: 0 },
  });
  const [endpoint] = store.endpoints;
  const client = connectEtcd({ endpoints: [endpoint!] });
  for (let i = 0; i < 3; i++) await client.put({ key: Buffer.from("k") });
  await client.range({ key: Buffer.from("k") });
  await client.put({}).catch(() => undefined);
  await client.close();
  const found = await samples(endpoint!);
  expect(DASHBOARD.filter((name) => !found.has(name))).toEqual([]);
  const put = 'grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"';
  expect(found.get(`grpc_server_started_total{${put}}`)).toBe(4);
  expect(found.get(`grpc_server_handled_total{grpc_code="OK",${put}}`)).toBe(3);
  expect(found.get(`grpc_server_handled_total{grpc_code="InvalidArgument",${put}}`)).toBe(1);
  expect(found.get(`grpc_server_handling_seconds_count{${put}}`)).toBe(4);
  const applied = 'version="v3",op="Put",success="true"';
  expect(found.get(`etcd_server_apply_duration_seconds_count{${applied}}`)).toBe(3);
  expect(found.get('etcd_server_range_duration_seconds_count{success="true"}')).toBe(1);
  expect(found.get("etcd_server_leader_changes_seen_total")).toBe(1);
  expect(found.get("etcd_disk_wal_fsync_duration_seconds_count")).toBeGreaterThan(0);
  expect(found.get("etcd_disk_wal_write_bytes_total")).toBeGreaterThan(0);
  expect(found.get('etcd_server_version{server_version="3.6.5"}')).toBe(1);
});

test("what takes longer than it may is warned of by name", async () => {
  keepLog();
  const listenClient = { host: "127.0.0.1", port: 0 };
  const slow = { apply_ms: 0, unary_ms: 0 };
  store = await startStore({ dataDir: join(folder, "slow"), listenClient, slow });
  const client = connectEtcd({ endpoints: store.endpoints });
  await client.put({ key: Buffer.from("k") });
  await client.close();
  const said = (msg: string) => lines.filter((line) => line.msg === msg);
  expect(said("apply request took too long").map(({ request }) => request)).toContain("put");
  const [unary] = said("request stats: slow unary request");
  expect(unary).toMatchObject({ level: "warn", method: "/etcdserverpb.KV/Put", expected_ms: 0 });
});

test("a slow sync of the log is warned of", async () => {
  keepLog();
  const metrics = new MemberMetrics({}, systemClock());
  const file: DiskFile = {
    name: "slow",
    write: (_bytes, _offset, done) => done(null),
    // The thread is held: this is about the time that a disk takes, not the loop's.
    sync(done) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_001);
      done(null);
    },
    close: (done) => done(null),
  };
  const disk = { open: (_name, _create, done) => done(null, file) } as Pick<Disk, "open"> as Disk;
  await new Promise<void>((resolve) => {
    metrics.disk(disk).open("slow", false, (_error, opened) => opened!.sync(() => resolve()));
  });
  expect(lines).toMatchObject([{ level: "warn", msg: "slow fdatasync", expected_ms: 1_000 }]);
});
