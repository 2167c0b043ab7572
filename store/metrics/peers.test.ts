import { exposition } from "@raft2kube/observe/exposition.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { expect, test } from "vitest";
import { PeerFigures, timedSnapshot } from "./peers.ts";

/** The samples that are not zero, without times. */
async function told(registry: ReturnType<typeof metricsRegistry>): Promise<string[]> {
  const { body } = await exposition(registry);
  return body
    .split("\n")
    .filter((line) => line !== "" && !/^#|_bucket|_sum| 0$/.test(line))
    .map((line) => line.replace("etcd_network_", ""))
    .sort();
}

test("the first unanswered heartbeat is timed, and none over a broken stream", async () => {
  const registry = metricsRegistry();
  const figure = new PeerFigures(registry).of(26n);
  figure.answered();
  for (let i = 0; i < 3; i++) figure.asked();
  figure.answered();
  figure.answered();
  figure.asked();
  figure.broken();
  figure.answered();
  expect(await told(registry)).toEqual([
    'peer_round_trip_time_seconds_count{To="1a"} 1',
    'peer_sent_failures_total{To="1a"} 1',
  ]);
});

test("snapshots count as on their way, arrived or failed", async () => {
  const registry = metricsRegistry();
  const figures = new PeerFigures(registry);
  const { snapshotsSent, snapshotsReceived } = figures.of(2n);
  await timedSnapshot(snapshotsSent, Promise.resolve());
  const cut = timedSnapshot(snapshotsReceived, Promise.reject(new Error("cut")));
  await expect(cut).rejects.toThrow("cut");
  const open = Promise.withResolvers<undefined>();
  const passing = timedSnapshot(snapshotsSent, open.promise);
  figures.disconnected(1n, 2n);
  expect(await told(registry)).toEqual([
    'disconnected_peers_total{Local="1",Remote="2"} 1',
    'snapshot_receive_failures{From="2"} 1',
    'snapshot_send_inflights_total{To="2"} 1',
    'snapshot_send_success{To="2"} 1',
    'snapshot_send_total_duration_seconds_count{To="2"} 1',
  ]);
  open.resolve(undefined);
  await passing;
});
