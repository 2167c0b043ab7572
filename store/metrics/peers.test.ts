import { exposition } from "@raft2kube/observe/exposition.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { PeerMetricsByMember, timedSnapshot } from "./peers.ts";

/** The samples that are not zero, without times. */
async function samples(registry: ReturnType<typeof metricsRegistry>): Promise<string[]> {
  const { body } = await exposition(registry);
  return body
    .split("\n")
    .filter((line) => line !== "" && !/^#|_bucket|_sum| 0$/.test(line))
    .map((line) => line.replace("etcd_network_", ""))
    .sort();
}

test("the first unanswered heartbeat is timed, and none over a broken stream", async () => {
  const registry = metricsRegistry();
  const metrics = new PeerMetricsByMember(registry, systemClock()).of(26n);
  metrics.answered();
  for (let i = 0; i < 3; i++) metrics.asked();
  metrics.answered();
  metrics.answered();
  metrics.asked();
  metrics.broken();
  metrics.answered();
  expect(await samples(registry)).toEqual([
    'peer_round_trip_time_seconds_count{To="1a"} 1',
    'peer_sent_failures_total{To="1a"} 1',
  ]);
});

test("snapshots count as on their way, arrived or failed", async () => {
  const registry = metricsRegistry();
  const metrics = new PeerMetricsByMember(registry, systemClock());
  const { snapshotsSent, snapshotsReceived } = metrics.of(2n);
  await timedSnapshot(snapshotsSent, Promise.resolve());
  const cut = timedSnapshot(snapshotsReceived, Promise.reject(new Error("cut")));
  await expect(cut).rejects.toThrow("cut");
  const open = Promise.withResolvers<undefined>();
  const passing = timedSnapshot(snapshotsSent, open.promise);
  metrics.disconnected(1n, 2n);
  expect(await samples(registry)).toEqual([
    'disconnected_peers_total{Local="1",Remote="2"} 1',
    'snapshot_receive_failures{From="2"} 1',
    'snapshot_send_inflights_total{To="2"} 1',
    'snapshot_send_success{To="2"} 1',
    'snapshot_send_total_duration_seconds_count{To="2"} 1',
  ]);
  open.resolve(undefined);
  await passing;
});
