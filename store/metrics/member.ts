import {
  addMetric,
  exponentialBounds,
  familiesOf,
  type Histogram,
} from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import type { RpcServer } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Backend, BackendPair, ScanRange } from "../backend/backend.ts";
import { SLOW_APPLY_MS, SLOW_SYNC_MS, SLOW_UNARY_MS } from "../limits.ts";
import type { Disk, DiskFile, Done } from "../wal/disk.ts";
import { HealthMetrics } from "./health.ts";
import { MaintenanceMetrics } from "./maintenance.ts";
import { PeerMetricsByMember } from "./peers.ts";

/**
 * Durations from which on the log calls an operation slow: etcd's --warning-apply-duration and so
 * on.
 */
export type SlowLimits = { apply_ms?: number | undefined; unary_ms?: number | undefined };

const log = logger("store");
const DISK_BOUNDS_S = exponentialBounds(0.001, 2, 14);
const APPLY_BOUNDS_S = exponentialBounds(0.0001, 2, 20);
/** Etcd's names of commands where they are not ours in camel case. */
const OPS: Readonly<Record<string, string>> = {
  compact: "Compaction",
  "sign-in": "Authenticate",
  "read-only txn": "Txn",
};

/** The metrics of a member under etcd's names, and the warnings about slow operations. */
export class MemberMetrics {
  readonly registry: Registry = metricsRegistry();
  readonly #declare = familiesOf(this.registry);
  readonly clock: Clock;
  readonly peers: PeerMetricsByMember;
  readonly health = new HealthMetrics(this.registry);
  readonly maintenance: MaintenanceMetrics;
  readonly apply_ms: number;
  readonly unary_ms: number;
  readonly #walSync = this.#declare
    .histogram(
      "etcd_disk_wal_fsync_duration_seconds",
      "The latency of syncs of the log.",
      DISK_BOUNDS_S,
    )
    .of();
  readonly #commit = this.#declare
    .histogram(
      "etcd_disk_backend_commit_duration_seconds",
      "The latency of batches to the backend.",
      DISK_BOUNDS_S,
    )
    .of();
  readonly #apply = this.#declare.histogram(
    "etcd_server_apply_duration_seconds",
    "The latency of applying a command.",
    APPLY_BOUNDS_S,
  );
  readonly #byOp = new Map<string, Histogram>();
  readonly #ranges = this.#declare
    .histogram("etcd_server_range_duration_seconds", "The latency of ranges.", APPLY_BOUNDS_S)
    .of({ success: "true" });
  readonly #lateHeartbeats = this.#counter(
    "etcd_server_heartbeat_send_failures_total",
    "Heartbeats that this leader sent late.",
  );
  readonly #promotions = this.#counter(
    "etcd_server_learner_promote_successes",
    "Learners promoted by this leader.",
  );
  readonly #failedPromotions = this.#declare.counter(
    "etcd_server_learner_promote_failures",
    "Promotions that this leader refused.",
  );
  /** The servers that clients are connected to. */
  readonly clientServers: Pick<RpcServer, "traffic">[] = [];
  /** Views of the backend and scans that are open. */
  openReads = 0;
  readonly #slowApplies = this.#counter("etcd_server_slow_apply_total", "Slow applies and reads.");
  readonly #leaderChanges = this.#counter(
    "etcd_server_leader_changes_seen_total",
    "Changes of the leader that this member saw.",
  );
  readonly #failed = this.#counter("etcd_server_proposals_failed_total", "Proposals that failed.");
  #walBytes = 0;

  constructor(limits: SlowLimits = {}, clock: Clock) {
    this.clock = clock;
    this.peers = new PeerMetricsByMember(this.registry, clock);
    this.maintenance = new MaintenanceMetrics(this.registry, clock);
    this.apply_ms = limits.apply_ms ?? SLOW_APPLY_MS;
    this.unary_ms = limits.unary_ms ?? SLOW_UNARY_MS;
    const head = { name: "etcd_disk_wal_write_bytes_total", help: "Bytes of the log." };
    const samples = () => [{ labels: {}, value: this.#walBytes }];
    addMetric(this.registry, { ...head, type: "gauge" }, samples);
  }

  #counter(name: string, help: string) {
    return this.#declare.counter(name, help).of();
  }

  /** Returns the callbacks of a replica that are counted. */
  ofReplica() {
    return {
      onCommand: (kind: string | undefined, took_ms: number, success: boolean) =>
        this.applied(kind, took_ms, success),
      onLeader: () => this.#leaderChanges.add(),
      onLateHeartbeat: (late_ms: number) => this.#heartbeatLate(late_ms),
    };
  }

  proposalFailed(): void {
    this.#failed.add();
  }

  #heartbeatLate(late_ms: number): void {
    this.#lateHeartbeats.add();
    log.warn("leader failed to send out heartbeat on time", { late_ms: Math.round(late_ms) });
  }

  /** A learner was promoted, or why not. */
  promoted(refusal?: string): void {
    if (refusal === undefined) this.#promotions.add();
    else this.#failedPromotions.of({ Reason: refusal }).add();
  }

  /** Records a command, or a read that needs no entry of the log (`range`, `read-only txn`). */
  applied(what: string | undefined, took_ms: number, success = true): void {
    const op = what ?? "unknown";
    const histogram = what === "range" ? this.#ranges : this.#histogramOf(op, success);
    histogram.observe(took_ms / 1000);
    if (took_ms < this.apply_ms) return;
    this.#slowApplies.add();
    const fields = { took_ms: Math.round(took_ms), expected_ms: this.apply_ms, request: op };
    log.warn("apply request took too long", fields);
  }

  #histogramOf(what: string, success: boolean): Histogram {
    const key = success ? what : `${what} failed`;
    let histogram = this.#byOp.get(key);
    if (!histogram) {
      const labels = { version: "v3", op: opOf(what), success: String(success) };
      this.#byOp.set(key, (histogram = this.#apply.of(labels)));
    }
    return histogram;
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
      const from_ms = this.clock.monotonic();
      return (error) => {
        this.#synced(this.clock.monotonic() - from_ms);
        done(error);
      };
    };
    const writeSynced: DiskFile["writeSynced"] = (bytes, offset, done) => {
      this.#walBytes += bytes.length;
      file.writeSynced!(bytes, offset, timed(done));
    };
    return {
      ...file,
      write: (bytes, offset, done) => {
        this.#walBytes += bytes.length;
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
      scan: (range) => this.#scan(backend, range),
      snapshot: () => {
        const view = backend.snapshot();
        this.openReads++;
        return {
          scan: (range) => view.scan(range),
          close: () => {
            this.openReads--;
            return view.close();
          },
        };
      },
      compactRange: (range) => backend.compactRange(range),
      size: () => backend.size(),
      close: () => backend.close(),
      writeBatch: async (writes, options) => {
        const from_ms = this.clock.monotonic();
        await backend.writeBatch(writes, options);
        this.#commit.observe((this.clock.monotonic() - from_ms) / 1000);
      },
    };
  }

  async *#scan(backend: Backend, range: ScanRange): AsyncGenerator<BackendPair[]> {
    this.openReads++;
    try {
      yield* backend.scan(range);
    } finally {
      this.openReads--;
    }
  }
}

/** `delete-range` is `DeleteRange`; what is about users and roles has `Auth` before it. */
function opOf(kind: string): string {
  const named = OPS[kind];
  if (named) return named;
  const words = kind.split("-").map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  const prefix = /^(user|role)-/.test(kind) ? "Auth" : "";
  return kind === "unknown" ? kind : prefix + words.join("");
}
