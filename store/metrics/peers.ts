import {
  type Count,
  CounterFamily,
  HistogramFamily,
  type Spread,
  addMetric,
  exponentialBounds,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** etcd's buckets (upstream: etcdserver/api/rafthttp/metrics.go). */
const ROUND_TRIP_BOUNDS_S = exponentialBounds(0.0001, 2, 16);
const SNAPSHOT_BOUNDS_S = exponentialBounds(0.1, 2, 10);

/** A snapshot on its way, to a member or from one. */
export interface SnapshotMetrics {
  readonly success: Count;
  readonly failures: Count;
  readonly took_s: Spread;
  inflight: number;
  readonly clock: Clock;
}

/** Metrics of the traffic between this member and one other. */
export class PeerMetrics {
  readonly sentBytes: Count;
  readonly receivedBytes: Count;
  readonly sendFailures: Count;
  readonly receiveFailures: Count;
  readonly snapshotsSent: SnapshotMetrics;
  readonly snapshotsReceived: SnapshotMetrics;
  readonly #roundTrip_s: Spread;
  readonly #clock: Clock;
  #asked_ms: number | undefined;

  constructor(families: Families, member: string) {
    this.#clock = families.clock;
    const [to, from] = [{ To: member }, { From: member }];
    this.sentBytes = families.sentBytes.of(to);
    this.receivedBytes = families.receivedBytes.of(from);
    this.sendFailures = families.sendFailures.of(to);
    this.receiveFailures = families.receiveFailures.of(from);
    this.#roundTrip_s = families.roundTrip.of(to);
    this.snapshotsSent = families.sent.of(to);
    this.snapshotsReceived = families.received.of(from);
  }

  /** A heartbeat leaves: the first that is not answered yet is timed, for streams keep order. */
  asked(): void {
    this.#asked_ms ??= this.#clock.monotonic();
  }

  /** A heartbeat is answered. */
  answered(): void {
    if (this.#asked_ms === undefined) return;
    this.#roundTrip_s.observe((this.#clock.monotonic() - this.#asked_ms) / 1_000);
    this.#asked_ms = undefined;
  }

  /** The stream to the member broke: what was asked on it stays unanswered. */
  broken(): void {
    this.sendFailures.add();
    this.#asked_ms = undefined;
  }
}

class SnapshotFamilies {
  readonly #label: "To" | "From";
  readonly #clock: Clock;
  readonly #success: CounterFamily;
  readonly #failures: CounterFamily;
  readonly #took: HistogramFamily;
  readonly #all = new Map<string, SnapshotMetrics>();

  constructor(
    registry: Registry,
    clock: Clock,
    way: "send" | "receive",
    label: "To" | "From",
  ) {
    this.#clock = clock;
    this.#label = label;
    const name = (what: string) => `etcd_network_snapshot_${way}_${what}`;
    const how = `Snapshots to ${way}`;
    this.#success = new CounterFamily(registry, name("success"), `${how}: those that arrived.`);
    this.#failures = new CounterFamily(registry, name("failures"), `${how}: those that did not.`);
    const inflight = { name: name("inflights_total"), help: `${how}: now.` };
    addMetric(registry, { ...inflight, type: "gauge" }, () =>
      [...this.#all].map(([member, metrics]) => ({
        labels: { [label]: member },
        value: metrics.inflight,
      })),
    );
    const took = name("total_duration_seconds");
    this.#took = new HistogramFamily(registry, took, `${how}: how long.`, SNAPSHOT_BOUNDS_S);
  }

  of(labels: Record<string, string>): SnapshotMetrics {
    const metrics: SnapshotMetrics = {
      success: this.#success.of(labels),
      failures: this.#failures.of(labels),
      took_s: this.#took.of(labels),
      inflight: 0,
      clock: this.#clock,
    };
    this.#all.set(labels[this.#label]!, metrics);
    return metrics;
  }
}

class Families {
  readonly clock: Clock;
  readonly sentBytes: CounterFamily;
  readonly receivedBytes: CounterFamily;
  readonly sendFailures: CounterFamily;
  readonly receiveFailures: CounterFamily;
  readonly disconnected: CounterFamily;
  readonly roundTrip: HistogramFamily;
  readonly sent: SnapshotFamilies;
  readonly received: SnapshotFamilies;

  constructor(registry: Registry, clock: Clock) {
    this.clock = clock;
    const counter = (name: string, help: string) =>
      new CounterFamily(registry, `etcd_network_${name}`, help);
    this.sentBytes = counter("peer_sent_bytes_total", "Bytes of messages to other members.");
    this.receivedBytes = counter("peer_received_bytes_total", "Bytes of messages from them.");
    this.sendFailures = counter("peer_sent_failures_total", "Streams that broke, messages lost.");
    this.receiveFailures = counter("peer_received_failures_total", "Streams from them that broke.");
    this.disconnected = counter("disconnected_peers_total", "Streams to members that ended.");
    this.roundTrip = new HistogramFamily(
      registry,
      "etcd_network_peer_round_trip_time_seconds",
      "From a heartbeat to its answer.",
      ROUND_TRIP_BOUNDS_S,
    );
    this.sent = new SnapshotFamilies(registry, clock, "send", "To");
    this.received = new SnapshotFamilies(registry, clock, "receive", "From");
  }
}

/** Metrics of the traffic between this member and all others, under etcd's names. */
export class PeerMetricsByMember {
  readonly #families: Families;
  readonly #members = new Map<bigint, PeerMetrics>();

  constructor(registry: Registry, clock: Clock) {
    this.#families = new Families(registry, clock);
  }

  of(member: bigint): PeerMetrics {
    let metrics = this.#members.get(member);
    if (!metrics) {
      metrics = new PeerMetrics(this.#families, member.toString(16));
      this.#members.set(member, metrics);
    }
    return metrics;
  }

  /** A member that answered answers no more. */
  disconnected(self: bigint, member: bigint): void {
    const labels = { Local: self.toString(16), Remote: member.toString(16) };
    this.#families.disconnected.of(labels).add();
  }
}

/** Follows a snapshot to its end, which the promise is. */
export async function timedSnapshot<R>(metrics: SnapshotMetrics, passing: Promise<R>): Promise<R> {
  const from_ms = metrics.clock.monotonic();
  metrics.inflight++;
  try {
    const result = await passing;
    metrics.success.add();
    metrics.took_s.observe((metrics.clock.monotonic() - from_ms) / 1_000);
    return result;
  } catch (thrown) {
    metrics.failures.add();
    throw thrown;
  } finally {
    metrics.inflight--;
  }
}
