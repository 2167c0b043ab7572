import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { admitPod } from "../admission/admit-pod.ts";
import { MirrorPods, mirrorOf, planMirrors } from "../api/mirror-pods.ts";
import { MIRROR_WRITES_MAX } from "../limits.ts";
import { fieldValue } from "./downward.ts";
import { staticPod } from "./static-pod.ts";

const FILE = { file: "/m/web.yaml", nodeName: "Node", now_ms: 0 };
const MANIFEST = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web" },
  spec: { containers: [{ name: "c", image: "i" }] },
};

describe("a static pod", () => {
  test("is named after the node and known by its content", () => {
    const pod = staticPod(MANIFEST, FILE);
    expect(pod.metadata).toMatchObject({ name: "web-node", namespace: "default" });
    expect(staticPod(MANIFEST, { ...FILE, now_ms: 5 }).metadata.uid).toBe(pod.metadata.uid);
    const changed = { ...MANIFEST, spec: { containers: [{ name: "c", image: "j" }] } };
    expect(staticPod(changed, FILE).metadata.uid).not.toBe(pod.metadata.uid);
  });

  test("requests what its limits are where it leaves requests out, as one of the API", () => {
    const limits = { cpu: "1", memory: "1Gi" };
    const container = { name: "c", image: "i", resources: { limits: { cpu: "100m" } } };
    const spec = { containers: [container], resources: { limits } };
    const made = staticPod({ ...MANIFEST, spec }, FILE).spec;
    expect(made.containers[0]?.resources?.requests).toEqual({ cpu: "100m" });
    expect(made.resources).toEqual({ limits, requests: { ...limits, cpu: "100m" } });
  });

  test.each<[string, unknown]>([
    ["NOT_A_POD", { ...MANIFEST, kind: "Deployment" }],
    ["NOT_A_POD", null],
    ["NO_NAME", { ...MANIFEST, metadata: {} }],
    ["NO_CONTAINERS", { ...MANIFEST, spec: {} }],
  ])("is refused with %s", (code, parsed) => {
    expect(() => staticPod(parsed, FILE)).toThrow(expect.objectContaining({ code }));
  });
});

describe("mirrors", () => {
  const pod = staticPod(MANIFEST, FILE);
  const mirror = mirrorOf(pod, { name: "node", uid: "nu" });
  const names = (pods: Pod[]) => pods.map(({ metadata }) => metadata.name);

  test("carry the pod's hash and are owned by the node", () => {
    expect(mirror.metadata.uid).toBeUndefined();
    expect(mirror.metadata.ownerReferences?.[0]).toMatchObject({ kind: "Node", uid: "nu" });
    expect(planMirrors([pod], [mirror])).toEqual({ create: [], delete: [] });
  });

  test("are made where missing and taken away where stale", () => {
    expect(names(planMirrors([pod], []).create)).toEqual(["web-node"]);
    expect(names(planMirrors([], [mirror]).delete)).toEqual(["web-node"]);
    const changed = { ...MANIFEST, spec: { containers: [{ name: "c", image: "j" }] } };
    const plan = planMirrors([staticPod(changed, FILE)], [mirror]);
    expect([names(plan.delete), names(plan.create)]).toEqual([["web-node"], []]);
  });
});

test("mirrors are written a few at a time, and one that the API refuses delays no others", async () => {
  const written: string[] = [];
  const [web, open] = [Array.from({ length: 9 }, (_, at) => `web${at}`), new Set<string>()];
  let most = 0;
  const write = async (name = "") => {
    most = Math.max(most, open.add(name).size);
    await new Promise((resolve) => setImmediate(resolve));
    open.delete(name);
    if (name === "refused-node") throw new Error("no such namespace");
    written.push(name);
  };
  const pods = {
    create: ({ metadata }: Pod) => write(metadata.name),
    delete: ({ name }: { name: string }) => write(name),
  } as unknown as ResourceClient<Pod>;
  const staticOf = (name: string) => staticPod({ ...MANIFEST, metadata: { name } }, FILE);
  const node = { name: "node", uid: "nu" };
  const stale = { ...mirrorOf(staticOf("stale"), node), status: {} };
  stale.metadata.uid = "s";
  const mirrors = new MirrorPods({
    pods,
    clock: new ManualClock(),
    statics: () => ["refused", ...web].map(staticOf),
    mirrors: () => [stale],
    node: () => node,
  });
  onTestFinished(() => mirrors.close());
  mirrors.trigger();
  await waitFor("the others", () => written.length === 10);
  expect(written.toSorted()).toEqual(["stale-node", ...web.map((name) => `${name}-node`)]);
  expect(most).toBe(MIRROR_WRITES_MAX);
});

describe("admission", () => {
  const podOf = (cpu: string, hostPort?: number, hostIP?: string): Pod => ({
    metadata: { name: "p", uid: "u" },
    spec: {
      containers: [
        {
          name: "c",
          resources: { requests: { cpu } },
          ...(hostPort
            ? { ports: [{ containerPort: 1, hostPort, ...(hostIP && { hostIP }) }] }
            : {}),
        },
      ],
    },
  });
  const NODE = { cpu: "1", memory: "1Gi", pods: "2" };
  /** Returns a pod that has the containers of another one as sidecars. */
  const sidecarOf = ({ spec, ...pod }: Pod): Pod => {
    const initContainers = spec.containers.map((one) => ({ ...one, restartPolicy: "Always" }));
    return { ...pod, spec: { containers: [], initContainers } };
  };

  test("takes what fits", () => {
    expect(() => admitPod(podOf("500m", 80), [podOf("500m", 81)], NODE)).not.toThrow();
    const [one, other] = [podOf("0", 80, "10.0.0.1"), podOf("0", 80, "10.0.0.2")];
    expect(() => admitPod(one, [other], NODE)).not.toThrow();
  });

  test("looks at each host port of two pods that have thousands once", () => {
    const portsAt = (hostIP: string): Pod => {
      const pod = podOf("0");
      const ports = Array.from({ length: 50_000 }, (_, n) => {
        return { containerPort: 1, hostPort: n + 1, hostIP };
      });
      return { ...pod, spec: { containers: [{ ...pod.spec.containers[0]!, ports }] } };
    };
    expect(() => admitPod(portsAt("10.0.0.1"), [portsAt("10.0.0.2")], NODE)).not.toThrow();
  });

  test.each<[string, Pod, Pod[]]>([
    ["OutOfcpu", podOf("600m"), [podOf("500m")]],
    ["OutOfpods", podOf("0"), [podOf("0"), podOf("0")]],
    ["PodOSNotSupported", { ...podOf("0"), spec: { containers: [], os: { name: "windows" } } }, []],
    ["NodePorts", podOf("0", 80), [podOf("0", 80)]],
    ["NodePorts", podOf("0", 80), [podOf("0", 80, "10.0.0.1")]],
    ["NodePorts", podOf("0", 80, "10.0.0.1"), [podOf("0", 80, "0.0.0.0")]],
    ["NodePorts", sidecarOf(podOf("0", 80)), [podOf("0", 80)]],
  ])("refuses with %s", (reason, pod, others) => {
    expect(() => admitPod(pod, others, NODE)).toThrow(expect.objectContaining({ reason }));
  });
});

test("annotations that many files of a pod show are put into words once", () => {
  let lists = 0;
  const annotations = new Proxy({ b: "1", a: '"' }, { ownKeys: () => (lists++, ["b", "a"]) });
  const pod: Pod = { metadata: { annotations }, spec: { containers: [] } };
  const show = () => fieldValue("metadata.annotations", pod, { podIPs: [], hostIPs: [] });
  expect([show(), show()]).toEqual(Array(2).fill('a="\\""\nb="1"'));
  expect(lists).toBe(1);
});
