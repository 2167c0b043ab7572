import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { SOCKET_LOOK_MS } from "../limits.ts";
import { POD_TCP_BYTES_MAX } from "../sandbox/pod-cgroup.ts";
import { SocketLimits, type SocketLimitsOptions, TCP_BYTES_MAX } from "./socket-limits.ts";

const LIMIT_BYTES = 64 * 2 ** 20;
const HUGE_BYTES = 2 ** 40;

function podOf(name: string, spec: Partial<Pod["spec"]> = {}, memory = "64Mi") {
  const resources = memory === "" ? {} : { limits: { memory } };
  const containers = [{ name: "main", resources }];
  return { metadata: { name, namespace: "n", uid: name }, spec: { containers, ...spec } } as Pod;
}

/** Limits of pods, on a node whose pods' sockets have these bytes: of TCP, and others. */
function node(pods: readonly Pod[], buffers: Readonly<Record<string, [number, number]>> = {}) {
  const did = {
    available_bytes: 100 * POD_TCP_BYTES_MAX,
    tcp_bytes: 0,
    looked: [] as string[],
    evicted: [] as string[],
  };
  const clock = new ManualClock();
  const limits = new SocketLimits({
    clock,
    workers: { list: () => pods.map((allocated) => ({ allocated, state: "syncing" })) },
    cgroups: { processes: () => [] },
    evict: ({ metadata }: Pod) => void did.evicted.push(metadata.name!),
    available_bytes: async () => did.available_bytes,
    tcp_bytes: async () => did.tcp_bytes,
    async measure({ metadata }: Pod, _: unknown, { tcp }: { tcp: boolean }) {
      did.looked.push(metadata.name!);
      const [tcp_bytes, other_bytes] = buffers[metadata.name!] ?? [0, 0];
      return { tcp_bytes: tcp ? tcp_bytes : 0, other_bytes };
    },
  } as unknown as SocketLimitsOptions);
  return { did, limits, clock };
}

test("a pod whose sockets have more than its limit of memory is evicted", async () => {
  const pods = [
    podOf("more"),
    podOf("as much"),
    podOf("critical", { priority: 2_000_001_000 }),
    podOf("unlimited", {}, ""),
  ];
  const { did, limits } = node(pods, {
    more: [0, LIMIT_BYTES + 1],
    "as much": [0, LIMIT_BYTES],
    critical: [0, HUGE_BYTES],
    unlimited: [0, HUGE_BYTES],
  });
  await limits.run();
  expect(did.evicted).toEqual(["more"]);
});

test("pods with most of TCP are evicted while the machine has too much, as many as it takes", async () => {
  const part = POD_TCP_BYTES_MAX;
  const pods = [
    podOf("unlimited", {}, ""),
    podOf("most", {}, "1Ti"),
    // A server that is busy, whose clients have sent more than its limit.
    podOf("small", {}, "1Mi"),
  ];
  const buffers: Record<string, [number, number]> = {
    unlimited: [part + 1, 0],
    most: [part + 2, 0],
    small: [part, 2 ** 20],
  };
  const evictedAt = async (tcp_bytes: number) => {
    const { did, limits } = node(pods, buffers);
    did.tcp_bytes = tcp_bytes;
    await limits.run();
    return did.evicted;
  };
  expect(await evictedAt(TCP_BYTES_MAX)).toEqual([]);
  expect(await evictedAt(TCP_BYTES_MAX + part + 2)).toEqual(["most"]);
  expect(await evictedAt(TCP_BYTES_MAX + part + 3)).toEqual(["most", "unlimited"]);
  expect(await evictedAt(HUGE_BYTES)).toEqual(["most", "unlimited"]);
});

test("pods are looked at when the node has lost memory, however slowly, and in time", async () => {
  const { did, limits, clock } = node([podOf("a")]);
  const looks: number[] = [];
  for (const parts of [0, -1, -1, -1, -1, 2, -1, -1, -2]) {
    did.available_bytes += (parts * POD_TCP_BYTES_MAX) / 2;
    await limits.run();
    looks.push(did.looked.length);
  }
  expect(looks).toEqual([1, 1, 2, 2, 3, 3, 3, 4, 5]);
  clock.advance(SOCKET_LOOK_MS);
  await limits.run();
  expect(did.looked).toHaveLength(6);
});
