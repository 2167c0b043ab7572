import {
  addMetric,
  type Counter,
  exponentialBounds,
  familiesOf,
  type Histogram,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** etcd's buckets (upstream: etcdserver/api/rafthttp/metrics.go). */
const ROUND_TRIP_BOUNDS_S = exponentialBounds(0.0001, 2, 16);
const SNAPSHOT_BOUNDS_S = exponentialBounds(0.1, 2, 10);

/** A snapshot on its way, to a member or from one. */
export interface SnapshotMetrics {
  readonly success: Counter;
  readonly failures: Counter;
  readonly took_s: Histogram;
  inflight: number;
  readonly clock: Clock;
}

/** Metrics of the traffic between this member and one other. */
export class PeerMetrics {
  readonly sentBytes: Counter;
  readonly receivedBytes: Counter;
  readonly sendFailures: Counter;
  readonly receiveFailures: Counter;
  readonly snapshotsSent: SnapshotMetrics;
  readonly snapshotsReceived: SnapshotMetrics;
  readonly #roundTrip_s: Histogram;
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
    this.snapshotsSent = families.sent(member);
    this.snapshotsReceived = families.received(member);
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

/** Snapshots one way, by the other member, which is the value of `label`. */
function snapshotFamilies(
  registry: Registry,
  clock: Clock,
  way: "send" | "receive",
  label: "To" | "From",
) {
  const { counter, histogram } = familiesOf(registry);
  const all = new Map<string, SnapshotMetrics>();
  const name = (what: string) => `etcd_network_snapshot_${way}_${what}`;
  const how = `Snapshots to ${way}`;
  const success = counter(name("success"), `${how}: those that arrived.`);
  const failures = counter(name("failures"), `${how}: those that did not.`);
  const inflight = { name: name("inflights_total"), help: `${how}: now.`, type: "gauge" } as const;
  addMetric(registry, inflight, () =>
    [...all].map(([member, { inflight: value }]) => ({ labels: { [label]: member }, value })),
  );
  const took = histogram(name("total_duration_seconds"), `${how}: how long.`, SNAPSHOT_BOUNDS_S);
  return (member: string): SnapshotMetrics => {
    const labels = { [label]: member };
    const metrics = {
      success: success.of(labels),
      failures: failures.of(labels),
      took_s: took.of(labels),
      inflight: 0,
      clock,
    };
    all.set(member, metrics);
    return metrics;
  };
}

function peerFamilies(registry: Registry, clock: Clock) {
  const { counter, histogram } = familiesOf(registry);
  const network = (name: string, help: string) => counter(`etcd_network_${name}`, help);
  return {
    clock,
    sentBytes: network("peer_sent_bytes_total", "Bytes of messages to other members."),
    receivedBytes: network("peer_received_bytes_total", "Bytes of messages from them."),
    sendFailures: network("peer_sent_failures_total", "Streams that broke, messages lost."),
    receiveFailures: network("peer_received_failures_total", "Streams from them that broke."),
    disconnected: network("disconnected_peers_total", "Streams to members that ended."),
    roundTrip: histogram(
      "etcd_network_peer_round_trip_time_seconds",
      "From a heartbeat to its answer.",
      ROUND_TRIP_BOUNDS_S,
    ),
    sent: snapshotFamilies(registry, clock, "send", "To"),
    received: snapshotFamilies(registry, clock, "receive", "From"),
  };
}

type Families = ReturnType<typeof peerFamilies>;

/** Metrics of the traffic between this member and all others, under etcd's names. */
export class PeerMetricsByMember {
  readonly #families: Families;
  readonly #members = new Map<bigint, PeerMetrics>();

  constructor(registry: Registry, clock: Clock) {
    this.#families = peerFamilies(registry, clock);
  }

  of(member: bigint): PeerMetrics {
    let metrics = this.#members.get(member);
    if (!metrics) {
      metrics = new PeerMetrics(this.#families, member.toString(16));
      this.#members.set(member, metrics);
    }
    return metrics;
  }

  /** A member that answered has stopped answering. */
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
