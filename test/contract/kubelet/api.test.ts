import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Node as KubeNode, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { CONFIG_MAPS, EVENTS, LEASES, NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { LOGS_READ_OF_POD_MAX } from "@raft2kube/kubelet/limits.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isProbed } from "../../../testing/tcp-state.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { ControlPlane } from "../controllers/control-plane.ts";
import { type ApiNode, startApiNode } from "./api-node.ts";
import { ask as askNode, MASTER, open } from "./ask.ts";
import { isReady, type Node } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Timeout below the kubelet's own resync: it acts on watch events immediately. */
const timeout_ms = 40_000;

let api: ApiNode;
let plane: ControlPlane;
let node: Node;
let podCidrs: string[] = [];

beforeAll(async () => {
  const onPodCidrs = async (given: string[]) => {
    podCidrs = given;
  };
  api = await startApiNode({ onPodCidrs });
  ({ plane, node } = api);
});

afterAll(() => api?.close());

const pods = () => plane.admin.resource(PODS);
const where = (name: string) => ({ namespace: "default", name });

async function run(name: string, podSpec: Pod["spec"]): Promise<Pod> {
  await pods().create({ metadata: where(name), spec: podSpec });
  return waitFor(`${name} to be ready`, () => shown(name, isReady));
}

async function shown(name: string, wanted: (pod: Pod) => boolean): Promise<Pod | undefined> {
  const pod = await pods().get(where(name));
  return wanted(pod) ? pod : undefined;
}

/** `kubectl delete --now` waits until a list by name is empty once; a new pod would do as well. */
async function deletedAsByKubectl(name: string, { metadata }: Pod): Promise<void> {
  await pods().delete(where(name), { gracePeriodSeconds: 1 });
  const selection = { namespace: "default", fieldSelector: `metadata.name=${name}` };
  const { next } = await waitFor(
    `${name} to be gone`,
    async () => {
      const {
        items: [next],
      } = await pods().listAll(selection);
      return next?.metadata.uid !== metadata.uid && { next };
    },
    { timeout_ms, interval_ms: 5 },
  );
  expect(next).toBeUndefined();
}

async function gone(name: string): Promise<boolean> {
  try {
    await pods().get(where(name));
    return false;
  } catch (thrown) {
    if (isNotFound(thrown)) return true;
    throw thrown;
  }
}

const readyOf = ({ status }: KubeNode) => status?.conditions?.find(({ type }) => type === "Ready");

const readyCondition = async () => readyOf(await plane.admin.resource(NODES).get({ name: "node" }));

/** Writes the condition that a controller gives a silent node. */
async function setUnknown(): ReturnType<typeof readyCondition> {
  const conditions = [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" }];
  const where = { name: "node", subresource: "status" };
  const nodes = plane.admin.resource(NODES);
  return readyOf(await nodes.patch(where, "strategic", { status: { conditions } }));
}

const ask = (...request: Tail<Parameters<typeof askNode>>) => askNode(api, ...request);
type Tail<T extends unknown[]> = T extends [unknown, ...infer Rest] ? Rest : never;

describe("the kubelet under an API server", () => {
  it("registers its node, keeps its lease, and puts its pod range to use", async () => {
    const nodes = plane.admin.resource(NODES);
    await waitFor("a pod range", () => podCidrs.length > 0);
    const registered = await nodes.get({ name: "node" });
    expect(registered.spec?.podCIDRs).toEqual(podCidrs);
    expect(registered.metadata.labels).toMatchObject({ "kubernetes.io/hostname": "node" });
    expect(registered.status?.allocatable).toMatchObject({ pods: "110" });
    const leases = plane.admin.resource(LEASES);
    const name = { namespace: "kube-node-lease", name: "node" };
    const lease = await waitFor("the lease", () => leases.get(name));
    expect(lease.spec?.holderIdentity).toBe("node");
  });

  it("shows its node again when the controller has found it silent", async () => {
    const ready = async () => (await readyCondition())?.status === "True";
    await waitFor("the node to be ready", ready);
    expect((await setUnknown())?.status).toBe("Unknown");
    await waitFor("the node to be ready again", ready);
  });

  it("is NotReady, with the reason, until there is a network configuration", async () => {
    const { cniConfDir } = node.host;
    const file = join(cniConfDir, "10-pods.conflist");
    const ready = async () => (await readyCondition())?.status === "True";
    await waitFor("the node to be ready", ready);
    renameSync(file, `${file}.away`);
    // The kubelet compares every 10 s, and immediately when others have changed its status.
    await setUnknown();
    const lost = await waitFor("the node to be NotReady", async () => {
      const condition = await readyCondition();
      return condition?.status === "False" && condition;
    });
    expect(lost.reason).toBe("KubeletNotReady");
    expect(lost.message).toContain("NetworkReady=false reason:NetworkPluginNotReady");
    expect(lost.message).toContain(cniConfDir);
    renameSync(`${file}.away`, file);
    await waitFor("the node to be ready", ready);
  });

  it("runs a scheduled pod with its objects and token, and reports its status", async () => {
    const configMaps = plane.admin.resource(CONFIG_MAPS);
    await configMaps.create({ metadata: where("words"), data: { word: "said" } });
    const namespace = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
    const script = `echo $WORD; cat /words/word ${namespace}; ${SLEEP}`;
    const env = [{ name: "WORD", valueFrom: { configMapKeyRef: { name: "words", key: "word" } } }];
    const volumeMounts = [{ name: "words", mountPath: "/words" }];
    const volumes = [{ name: "words", configMap: { name: "words" } }];
    const pod = await run("whole", spec([sh("main", script, { env, volumeMounts })], { volumes }));
    expect(pod.status?.podIP).toMatch(/^10\.89\.0\./);
    const log = () => ask("/containerLogs/default/whole/main", MASTER);
    await expect.poll(log).toEqual({ status: 200, body: "said\nsaiddefault" });
    const running = JSON.parse((await ask("/runningpods/", MASTER)).body) as { items: Pod[] };
    expect(running.items.map(({ metadata }) => metadata.name)).toContain("whole");
    const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
    const reported = async () => {
      const { items } = await plane.admin.resource(EVENTS).list({ fieldSelector });
      const reasons = items.map(({ reason }) => reason);
      return ["Scheduled", "Pulled", "Created", "Started"].every((one) => reasons.includes(one));
    };
    await waitFor("the events", reported);
  });

  it("a pod has its part of the logs that are read, until some have ended", async () => {
    const followed = [];
    for (let count = 0; count < LOGS_READ_OF_POD_MAX; count++) {
      followed.push(await open(api, "/containerLogs/default/whole/main?follow=true", MASTER));
    }
    const log = () => ask("/containerLogs/default/whole/main", MASTER);
    const body = "as many logs of pod whole are being read as may: end some of them first\n";
    expect(await log()).toEqual({ status: 429, body });
    followed.pop()!.destroy();
    await expect.poll(log).toMatchObject({ status: 200 });
    for (const answer of followed) answer.destroy();
  });

  it("has the kernel ask a follower of a silent log whether it is still there", async () => {
    const log = await open(api, "/containerLogs/default/whole/main?follow=true", MASTER);
    const { localPort, remotePort } = log.socket;
    await waitFor("probes", () => isProbed(remotePort!, localPort!));
    log.destroy();
  });

  it("restores a pod's status that another client overwrote", async () => {
    const spoil = (name: string) =>
      pods().patch({ ...where(name), subresource: "status" }, "strategic", {
        status: { conditions: [{ type: "Ready", status: "False", reason: "Wrong" }] },
      });
    const repaired = async (name: string) => {
      expect(isReady(await spoil(name))).toBe(false);
      await waitFor(`${name} to be ready again`, () => shown(name, isReady), { timeout_ms });
    };
    await repaired("whole");
    node.put("mirrored", spec([sh("main", SLEEP)]));
    const mirror = "mirrored-node";
    const there = async () => !(await gone(mirror)) && shown(mirror, isReady);
    await waitFor("the mirror", there);
    await repaired(mirror);
    await node.take("mirrored");
  });

  it("refuses anonymous and unauthorized requests", async () => {
    expect((await ask("/pods")).status).toBe(401);
    const stranger = { name: "stranger", groups: [] };
    expect((await ask("/pods", stranger)).status).toBe(403);
    const { status, body } = await ask("/pods", MASTER);
    expect(status).toBe(200);
    expect(JSON.parse(body).kind).toBe("PodList");
    // As long as a command of kubectl exec may be.
    expect((await ask(`/healthz?${"a".repeat(60_000)}`, MASTER)).body).toBe("ok");
    const usage = async () => (await ask("/metrics/resource", MASTER)).body;
    await expect.poll(usage).toMatch(/pod_memory_working_set_bytes\{.*pod="whole"\}/);
    expect((await ask("/metrics/probes", stranger)).status).toBe(403);
    expect((await ask("/metrics/probes", MASTER)).body).toMatch(/^# TYPE prober_probe_total/m);
  });

  it("runs nothing for a right to get, however the path is written", async () => {
    const rules = [{ apiGroups: [""], resources: ["nodes/proxy"], verbs: ["get"] }];
    const looker = { name: "looker", groups: [] };
    const apiGroup = "rbac.authorization.k8s.io";
    const create = (plural: string, body: object) =>
      plane.admin.request({ method: "POST", path: `/apis/${apiGroup}/v1/${plural}`, body });
    await create("clusterroles", { metadata: { name: "looker" }, rules });
    await create("clusterrolebindings", {
      metadata: { name: "looker" },
      roleRef: { apiGroup, kind: "ClusterRole", name: "looker" },
      subjects: [{ kind: "User", apiGroup, name: "looker" }],
    });
    await expect.poll(async () => (await ask("/pods", looker)).status).toBe(200);
    const upgrade = { connection: "Upgrade", upgrade: "SPDY/3.1" };
    const command = "default/whole/main?command=id&output=1";
    for (const [path, status] of [
      [`/exec/${command}`, 403],
      [`/%65xec/${command}`, 400],
      [`/pods/../exec/${command}`, 400],
      [`/pods%2f..%2fexec/${command}`, 400],
    ] as const) {
      expect([path, (await ask(path, looker, upgrade)).status]).toEqual([path, status]);
    }
  });

  it("shows a static pod by a mirror, which comes back when it is deleted", async () => {
    node.put("still", spec([sh("main", SLEEP)]));
    const mirror = "still-node";
    const running = async () => !(await gone(mirror)) && shown(mirror, isReady);
    const first = (await waitFor("the mirror", running)) as Pod;
    await pods().delete(where(mirror), { gracePeriodSeconds: 0 });
    const another = async () => {
      const pod = (await running()) as Pod | false | undefined;
      return pod && pod.metadata.uid !== first.metadata.uid ? pod : undefined;
    };
    const second = await waitFor("another mirror", another);
    const containerOf = (pod: Pod) => pod.status?.containerStatuses?.[0]?.containerID;
    expect(containerOf(second)).toBe(containerOf(first));
    await deletedAsByKubectl(mirror, second);
    await waitFor("a third mirror", async () => {
      const pod = await another();
      return pod && pod.metadata.uid !== second.metadata.uid;
    });
    await node.take("still");
    await waitFor("the mirror to go", () => gone(mirror));
  });

  it("runs no startup probe again when the kubelet is started again", async () => {
    const [started, probed] = ["started", "probed"].map((name) => join(node.host.dir, name));
    writeFileSync(started!, "");
    const exec = (...command: string[]) => ({
      exec: { command },
      periodSeconds: 1,
      failureThreshold: 1,
    });
    const { metadata } = await run(
      "probed",
      spec(
        [
          sh("main", SLEEP, {
            startupProbe: exec("test", "-f", "/host/started"),
            readinessProbe: exec("touch", "/host/probed"),
            volumeMounts: [{ name: "host", mountPath: "/host" }],
          }),
        ],
        { volumes: [{ name: "host", hostPath: { path: node.host.dir } }] },
      ),
    );
    await node.stopKubelet();
    for (const file of [started!, probed!]) rmSync(file);
    await node.startKubelet();
    await waitFor("the readiness probe", async () => existsSync(probed!));
    const [status] = (await pods().get(where("probed"))).status?.containerStatuses ?? [];
    expect(status).toMatchObject({ started: true, ready: true, restartCount: 0 });
    await pods().delete(where("probed"));
    await node.untilGone("probed", metadata.uid ?? "");
  });

  it("writes no status for a pod that was replaced under its name", async () => {
    const lines: string[] = [];
    configureLog({ level: "warn", stream: { write: (line) => void lines.push(line) } });
    try {
      const sleeps = sh("main", "trap 'sleep 1; exit' TERM; while true; do sleep 0.1; done");
      const {
        metadata: { uid = "" },
      } = await run("swapped", spec([sleeps]));
      await pods().delete(where("swapped"), { gracePeriodSeconds: 0 });
      const nowhere = spec([sleeps], { nodeSelector: { no: "node" } });
      await pods().create({ metadata: where("swapped"), spec: nowhere });
      await node.untilGone("swapped", uid);
      expect(lines.filter((line) => line.includes("is not written"))).toEqual([]);
      await pods().delete(where("swapped"), { gracePeriodSeconds: 0 });
    } finally {
      configureLog({});
    }
  });

  it("deletes a pod's object only when the pod has stopped, and leaves nothing", async () => {
    const uid = (await pods().get(where("whole"))).metadata.uid ?? "";
    await pods().delete(where("whole"));
    await waitFor("the object to go", () => gone("whole"));
    await node.untilGone("whole", uid);
  });
});
