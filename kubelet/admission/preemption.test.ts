import type { Pod, PodQOSClass } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { admit } from "./admission.ts";

const NODE = { cpu: "4", memory: "4Gi", pods: "10" };

function podOf(uid: string, cpu: string, qosClass: PodQOSClass, priority = 0): Pod {
  const resources = cpu ? { requests: { cpu } } : {};
  return {
    metadata: { name: uid, namespace: "n", uid },
    spec: { containers: [{ name: "c", resources }], priority },
    status: { qosClass },
  };
}

/** A pod of a file, which names no priority. */
function staticPod(uid: string, cpu: string): Pod {
  const pod = podOf(uid, cpu, "Burstable");
  delete pod.spec.priority;
  pod.metadata.annotations = { "kubernetes.io/config.source": "file" };
  return pod;
}

const critical = podOf("critical", "2", "Burstable", 2_000_000_000);

/** Tries the admission of a pod once; returns what was preempted, and how it ended. */
async function tried(pod: Pod, admitted: Pod[], leaving: string[] = [], memory = false) {
  const preempted: string[] = [];
  const options = {
    devices: { admit: () => Promise.resolve() } as unknown as DeviceManager,
    pressure: { current: { memory, disk: false, pid: false } },
    allocatable: () => NODE,
    admitted,
    isLeaving: (one: Pod) => leaving.includes(uidOf(one)),
    preempt: (one: Pod) => void preempted.push(uidOf(one)),
  };
  const ended = await (async () => admit(pod, options))().then(
    () => "admitted",
    (thrown: Error) => (memory ? thrown.message : thrown.name),
  );
  return { preempted: preempted.toSorted(), ended };
}

test("a pod that is refused for the node's pressure has the condition in its message", async () => {
  const { ended } = await tried(podOf("best", "", "BestEffort"), [], [], true);
  expect(ended).toBe("The node had condition: [MemoryPressure]. ");
});

test("a pod that ran before the kubelet started is not refused for one that came since", async () => {
  const [runs, came] = [podOf("runs", "1", "Burstable"), podOf("came", "4", "Burstable")];
  expect(await tried(runs, [came, runs])).toEqual({ preempted: [], ended: "admitted" });
});

test("a critical pod ends the least pods that make room, and is admitted when they have", async () => {
  const best = podOf("best", "", "BestEffort");
  const guaranteed = podOf("guaranteed", "1", "Guaranteed");
  const [low, high] = [podOf("low", "1", "Burstable", 1), podOf("high", "2", "Burstable", 5)];
  const all = [best, guaranteed, low, high];
  const first = { preempted: ["high"], ended: "PreemptionError" };
  expect(await tried(critical, all)).toEqual(first);
  const waiting = { preempted: [], ended: "PreemptionError" };
  expect(await tried(critical, all, ["high"])).toEqual(waiting);
  expect(await tried(critical, [best, guaranteed, low])).toEqual({
    preempted: [],
    ended: "admitted",
  });
});

test.each([
  [
    "burstable before guaranteed",
    [podOf("g", "2", "Guaranteed"), podOf("b", "2", "Burstable", 9)],
    "b",
  ],
  ["lower priority first", [podOf("h", "2", "Burstable", 9), podOf("l", "2", "Burstable", 1)], "l"],
  ["a critical pod of lower priority last", [podOf("s", "4", "Burstable", 1_999_999_999)], "s"],
])("of pods that would each make room: %s", async (_, pods, victim) => {
  const { preempted } = await tried(critical, pods);
  expect(preempted).toEqual([victim]);
});

test.each([
  ["an ordinary pod ends none", podOf("p", "2", "Burstable", 10), [podOf("a", "4", "Burstable")]],
  ["an equally critical pod stays", critical, [podOf("a", "4", "Burstable", 2_000_000_000)]],
  ["a static pod without a priority stays", critical, [staticPod("s", "4")]],
  ["none ends for a pod that fits beside no pod", podOf("p", "5", "Burstable", 2_000_000_000), []],
])("%s", async (_, pod, pods) => {
  expect(await tried(pod, pods)).toEqual({ preempted: [], ended: "AdmissionError" });
});

test("the ports that others declare are looked at for a host port alone, and once", async () => {
  let reads = 0;
  const others = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => {
    const pod = podOf(name, "500m", "Burstable");
    const ports = [{ containerPort: 80, ...(name === "h" && { hostPort: 80 }) }];
    Object.defineProperty(pod.spec.containers[0], "ports", { get: () => (reads++, ports) });
    return pod;
  });
  expect((await tried(podOf("any", "", "BestEffort"), others)).ended).toBe("admitted");
  expect(reads).toBe(0);
  const wanting = structuredClone(critical);
  wanting.spec.containers[0]!.ports = [{ containerPort: 80, hostPort: 80 }];
  const { preempted } = await tried(wanting, others);
  expect([preempted.length, preempted.includes("h"), reads]).toEqual([4, true, 8]);
});
