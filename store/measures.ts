import {
  CounterFamily,
  HistogramFamily,
  type Spread,
  exponentialBounds,
} from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Registry, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import type { Backend } from "./backend/backend.ts";
import { SLOW_APPLY_MS, SLOW_SYNC_MS, SLOW_UNARY_MS } from "./limits.ts";
import type { Command } from "./mvcc/command.ts";
import type { Disk, DiskFile, Done } from "./wal/disk.ts";

/** From when on something is called slow in the log: etcd's --warning-apply-duration and so on. */
export interface SlowLimits {
  apply_ms?: number | undefined;
  unary_ms?: number | undefined;
}

type Reading = "range" | "read-only txn";

const log = logger("store");
const DISK_BOUNDS_S = exponentialBounds(0.001, 2, 14);
const APPLY_BOUNDS_S = exponentialBounds(0.0001, 2, 20);

/** What a member measures of itself, under etcd's names, and the warnings about what is slow. */
export class Measures {
  readonly registry: Registry = metricsRegistry();
  readonly apply_ms: number;
  readonly unary_ms: number;
  readonly #walSync = new HistogramFamily(
    this.registry,
    "etcd_disk_wal_fsync_duration_seconds",
    "The latency of syncs of the log.",
    DISK_BOUNDS_S,
  ).of();
  readonly #commit = new HistogramFamily(
    this.registry,
    "etcd_disk_backend_commit_duration_seconds",
    "The latency of batches to the backend.",
    DISK_BOUNDS_S,
  ).of();
  readonly #apply = new HistogramFamily(
    this.registry,
    "etcd_server_apply_duration_seconds",
    "The latency of applying a command.",
    APPLY_BOUNDS_S,
  );
  readonly #byOp = new Map<string, Spread>();
  readonly #slowApplies = this.#counter("etcd_server_slow_apply_total", "Slow applies and reads.");
  readonly #leaderChanges = this.#counter(
    "etcd_server_leader_changes_seen_total",
    "Changes of the leader that this member saw.",
  );
  readonly #failed = this.#counter("etcd_server_proposals_failed_total", "Proposals that failed.");
  readonly #walBytes = this.#counter("etcd_disk_wal_write_bytes_total", "Bytes of the log.");

  constructor(limits: SlowLimits = {}) {
    this.apply_ms = limits.apply_ms ?? SLOW_APPLY_MS;
    this.unary_ms = limits.unary_ms ?? SLOW_UNARY_MS;
  }

  #counter(name: string, help: string) {
    return new CounterFamily(this.registry, name, help).of();
  }

  /** What a replica tells of. */
  ofReplica() {
    return {
      onCommand: (kind: Command["kind"] | undefined, took_ms: number) =>
        this.applied(kind, took_ms),
      onLeader: () => this.#leaderChanges.add(),
    };
  }

  proposalFailed(): void {
    this.#failed.add();
  }

  /** A command was applied, or with `read` something was read, in so many ms. */
  applied(what: Command["kind"] | Reading | undefined, took_ms: number): void {
    const op = what ?? "unknown";
    let spread = this.#byOp.get(op);
    if (!spread) this.#byOp.set(op, (spread = this.#apply.of({ op })));
    spread.observe(took_ms / 1000);
    if (took_ms < this.apply_ms) return;
    this.#slowApplies.add();
    const fields = { took_ms: Math.round(took_ms), expected_ms: this.apply_ms, request: op };
    log.warn("apply request took too long", fields);
  }

  /** A disk whose syncs and writes are measured. */
  disk(disk: Disk): Disk {
    return {
      ...disk,
      open: (name, create, done) =>
        disk.open(name, create, (error, file) => done(error, file && this.#file(file))),
    };
  }

  #file(file: DiskFile): DiskFile {
    const timed = (done: Done): Done => {
      const from_ms = performance.now();
      return (error) => {
        this.#synced(performance.now() - from_ms);
        done(error);
      };
    };
    const writeSynced: DiskFile["writeSynced"] = (bytes, offset, done) => {
      this.#walBytes.add(bytes.length);
      file.writeSynced!(bytes, offset, timed(done));
    };
    return {
      ...file,
      write: (bytes, offset, done) => {
        this.#walBytes.add(bytes.length);
        file.write(bytes, offset, done);
      },
      sync: (done) => file.sync(timed(done)),
      ...(file.writeSynced ? { writeSynced } : {}),
    };
  }

  #synced(took_ms: number): void {
    this.#walSync.observe(took_ms / 1000);
    if (took_ms < SLOW_SYNC_MS) return;
    const fields = { took_ms: Math.round(took_ms), expected_ms: SLOW_SYNC_MS };
    log.warn("slow fdatasync", fields);
  }

  /** A backend whose batches are measured. */
  backend(backend: Backend): Backend {
    return {
      getSync: (key) => backend.getSync(key),
      scan: (range) => backend.scan(range),
      snapshot: () => backend.snapshot(),
      compactRange: (range) => backend.compactRange(range),
      size: () => backend.size(),
      close: () => backend.close(),
      writeBatch: async (writes, options) => {
        const from_ms = performance.now();
        await backend.writeBatch(writes, options);
        this.#commit.observe((performance.now() - from_ms) / 1000);
      },
    };
  }
}
