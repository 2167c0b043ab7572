import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Container, Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  EVENTS,
  NAMESPACES,
  NODES,
  PODS,
  SECRETS,
  SERVICE_ACCOUNTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { type ApiNode, startApiNode } from "./api-node.ts";
import { statusOf } from "./fixture.ts";
import { SLEEP, sh, spec } from "./specs.ts";

/** Asks of the API server, which runs in this process too, take a millisecond of it each. */
const patience = { timeout_ms: 60_000, interval_ms: 100 };
const PIDS = 64;
/** Rights of the attacker in these tests: every verb on pods, in one restricted namespace. */
const NAMESPACE = "tenant";

let api: ApiNode;
beforeAll(async () => {
  api = await startApiNode({ podPidsLimit: PIDS });
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  const namespaces = api.plane.admin.resource(NAMESPACES);
  await namespaces.create({ metadata: { name: NAMESPACE, labels }, spec: {} });
  const accounts = api.plane.admin.resource(SERVICE_ACCOUNTS);
  const account = { namespace: NAMESPACE, name: "default" };
  await waitFor("the service account", () => accounts.get(account));
  const nodes = api.plane.admin.resource(NODES);
  const reported = async () => (await nodes.get({ name: "node" })).status?.runtimeHandlers;
  await waitFor("the node to report its runtime", reported);
});
afterAll(async () => {
  const { items } = await pods().list({ namespace: NAMESPACE });
  for (const {
    metadata: { name = "" },
  } of items) {
    await pods().delete({ namespace: NAMESPACE, name });
  }
  await waitFor("no pod to be left", () => api.node.kubelet.pods().length === 0);
  await api.close();
});

const pods = () => api.plane.admin.resource(PODS);

function until(
  what: string,
  { namespace = NAMESPACE, name }: { namespace?: string; name: string },
  wanted: (pod: Pod) => boolean,
): Promise<Pod> {
  const probe = async () => {
    const pod = await pods().get({ namespace, name });
    return wanted(pod) ? pod : undefined;
  };
  return waitFor(`${name} to ${what}`, probe, patience);
}

/** A container as the restricted level wants it. */
function restricted(script: string, more: Partial<Container> = {}): Container {
  const securityContext = {
    allowPrivilegeEscalation: false,
    runAsNonRoot: true,
    runAsUser: 1000,
    capabilities: { drop: ["ALL"] },
    seccompProfile: { type: "RuntimeDefault" as const },
  };
  return sh("main", script, { securityContext, ...more });
}

async function create(name: string, container: Container, more: Partial<Pod["spec"]> = {}) {
  const metadata = { namespace: NAMESPACE, name };
  await pods().create({ metadata, spec: spec([container], { restartPolicy: "Never", ...more }) });
}

/** The first event of a pod with this reason. */
async function eventOf(name: string, wanted: string): Promise<Event> {
  const pod = await pods().get({ namespace: NAMESPACE, name });
  const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
  const found = async () => {
    const { items } = await api.plane.admin.resource(EVENTS).list({ fieldSelector });
    return items.find(({ reason }) => reason === wanted);
  };
  return waitFor(`${wanted} of ${name}`, found, patience);
}

/** Returns the size of a container's log files and their number. */
function logFilesOf(pod: Pod): { bytes: number; files: number } {
  const { uid } = pod.metadata;
  const dir = join(api.node.host.dir, "pod-logs", `${NAMESPACE}_${pod.metadata.name}_${uid}/main`);
  const names = readdirSync(dir);
  const sizes = names.map((name) => statSync(join(dir, name)).size);
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), files: names.length };
}

const isRunning = (pod: Pod) => statusOf(pod, "main")?.state?.running !== undefined;
const isEvicted = (pod: Pod) => pod.status?.reason === "Evicted";

describe("a tenant of a restricted namespace", () => {
  it.concurrent("is evicted when an emptyDir grows beyond its size", async () => {
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    const write = `dd if=/dev/zero of=/data/file bs=1M count=8; ${SLEEP}`;
    await create("volume", restricted(write, { volumeMounts }), {
      volumes: [{ name: "data", emptyDir: { sizeLimit: "1Mi" } }],
    });
    const pod = await until("be evicted", { name: "volume" }, isEvicted);
    expect(pod.status).toMatchObject({
      phase: "Failed",
      message: 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
    });
  });

  it.concurrent("is evicted when a container writes more than its limit", async () => {
    const write = `dd if=/dev/zero of=/tmp/file bs=1M count=8; ${SLEEP}`;
    const resources = { limits: { "ephemeral-storage": "4Mi" } };
    await create("layer", restricted(write, { resources }));
    const pod = await until("be evicted", { name: "layer" }, isEvicted);
    expect(pod.status?.message).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. ",
    );
  });

  it.concurrent("is evicted for files that it has removed and keeps open", async () => {
    const write = `exec 3> /data/file; rm /data/file; dd if=/dev/zero bs=1M count=50 >&3; ${SLEEP}`;
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    const resources = { limits: { "ephemeral-storage": "10Mi" } };
    const removed = write.replaceAll("/data/", "/tmp/");
    await Promise.all([
      create("removed-in-volume", restricted(write, { resources, volumeMounts }), {
        volumes: [{ name: "data", emptyDir: {} }],
      }),
      create("removed-in-layer", restricted(removed, { resources })),
    ]);
    await until("be evicted", { name: "removed-in-volume" }, isEvicted);
    await until("be evicted", { name: "removed-in-layer" }, isEvicted);
  });

  it.concurrent("is evicted for what an init container left behind that has ended", async () => {
    const write = "dd if=/dev/zero of=/tmp/file bs=1M count=50";
    const resources = { limits: { "ephemeral-storage": "10Mi" } };
    await create("init", restricted(SLEEP, { resources }), {
      initContainers: [{ ...restricted(write, { resources }), name: "writer" }],
    });
    const pod = await until("be evicted", { name: "init" }, isEvicted);
    expect(pod.status?.message).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
    );
  });

  it.concurrent("is evicted for what a dead container left behind", async () => {
    const write =
      `if [ -e /data/first ]; then ${SLEEP}; fi; touch /data/first;` +
      "dd if=/dev/zero of=/tmp/file bs=1M count=50; exit 1";
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    const resources = { limits: { "ephemeral-storage": "10Mi" } };
    await create("dead", restricted(write, { resources, volumeMounts }), {
      volumes: [{ name: "data", emptyDir: {} }],
      restartPolicy: "Always",
    });
    await until("be evicted", { name: "dead" }, isEvicted);
  });

  it.concurrent("is evicted when its last words are more than its limit", async () => {
    const write = `dd if=/dev/zero of=/dev/termination-log bs=1M count=8; ${SLEEP}`;
    const resources = { limits: { "ephemeral-storage": "4Mi" } };
    await create("words", restricted(write, { resources }));
    await until("be evicted", { name: "words" }, isEvicted);
  });

  it("gets no volume of more files than a pod has room for", async () => {
    const metadata = { namespace: NAMESPACE, name: "big" };
    const secrets = api.plane.admin.resource(SECRETS);
    const data = { big: Buffer.alloc(2 ** 20 - 1).toString("base64") };
    await secrets.create({ metadata, data });
    const items = (path: string) => [{ key: "big", path }];
    const sources = Array.from({ length: 1_000 }, (_, index) => ({
      secret: { name: "big", items: items(String(index)) },
    }));
    const volumeMounts = [{ name: "data", mountPath: "/data" }];
    await create("files", restricted(SLEEP, { volumeMounts }), {
      volumes: [{ name: "data", projected: { sources } }],
    });
    const event = await eventOf("files", "FailedMount");
    expect(event.message).toContain("take more than 33554432 bytes");
  });

  it("has its log rotated while it floods it", async () => {
    const MEBIBYTES = 300;
    const flood = `dd if=/dev/zero bs=1M count=${MEBIBYTES} | tr '\\0' a | fold -w 8000; ${SLEEP}`;
    // Slow enough that a kubelet that waits for a processor still rotates in time.
    const resources = { limits: { cpu: "200m" } };
    await create("flood", restricted(flood, { resources }));
    const pod = await until("run", { name: "flood" }, isRunning);
    const rotated = () => logFilesOf(pod).files > 2;
    await waitFor("the log to be rotated", rotated, patience);
    await until("have written all", { name: "flood" }, () => logFilesOf(pod).files >= 5);
    expect(logFilesOf(pod).bytes).toBeLessThan((MEBIBYTES / 2) * 2 ** 20);
    await pods().delete({ namespace: NAMESPACE, name: "flood" });
  });

  it("cannot start more processes than a pod may have", async () => {
    const forks = `i=0; while [ $i -lt ${2 * PIDS} ]; do sleep 60 & i=$((i+1)); done; ${SLEEP}`;
    await create("forks", restricted(forks));
    const pod = await until("fail to fork", { name: "forks" }, (one) => {
      return one.status?.phase === "Failed";
    });
    expect(statusOf(pod, "main")?.state?.terminated?.exitCode).not.toBe(0);
    // The node is none the worse.
    await create("next", restricted("exit 0"));
    await until("run", { name: "next" }, (one) => one.status?.phase === "Succeeded");
  });

  it("has buffers of TCP that count for it", async () => {
    const [v1, v2] = ["kmem.tcp.max_usage_in_bytes", "current"].map(
      (file) => `/sys/fs/cgroup/${file === "current" ? "" : "memory/"}memory.${file}`,
    );
    const send = "echo x | timeout 1 nc 127.0.0.1 7777";
    const count = `test $(cat ${v1} 2>/dev/null || cat ${v2}) -gt 0`;
    await create("tcp", restricted(`nc -l -p 7777 & until ${count}; do ${send}; done`));
    await until("succeed", { name: "tcp" }, (pod) => pod.status?.phase === "Succeeded");
  });

  it("has users of its own without asking for them, and the node's where it asks", async () => {
    const script = "! grep -q '^ *0 *0 ' /proc/self/uid_map && echo own > /data/a && cat /memory/n";
    const volumeMounts = ["data", "memory"].map((name) => ({ name, mountPath: `/${name}` }));
    const fieldRef = { fieldPath: "metadata.name" };
    await create("own", restricted(script, { volumeMounts }), {
      volumes: [
        { name: "data", emptyDir: {} },
        { name: "memory", downwardAPI: { items: [{ path: "n", fieldRef }] } },
      ],
      securityContext: { fsGroup: 1000 },
    });
    const own = await until("succeed", { name: "own" }, (pod) => pod.status?.phase === "Succeeded");
    expect(own.spec.hostUsers).toBe(false);
    await create("shared-users", restricted("grep '^ *0 *0 ' /proc/self/uid_map"), {
      hostUsers: true,
    });
    const named = { name: "shared-users" };
    await until("succeed", named, (pod) => pod.status?.phase === "Succeeded");
  });

  it("may be root of a user namespace, which is none of the node's users", async () => {
    const securityContext = {
      ...restricted("").securityContext,
      runAsUser: 0,
      runAsNonRoot: false,
    };
    await expect(create("root", restricted(SLEEP, { securityContext }))).rejects.toThrow(
      "violates PodSecurity",
    );
    const script = "test $(id -u) = 0 && ! grep -q '^ *0 *0 ' /proc/self/uid_map";
    await create("root", restricted(script, { securityContext }), { hostUsers: false });
    await until("succeed", { name: "root" }, (pod) => pod.status?.phase === "Succeeded");
  });

  it("has nothing of the node's namespaces beside its own users", async () => {
    const own = { hostUsers: false, hostPID: true };
    await expect(create("shared", restricted(SLEEP), own)).rejects.toThrow(
      "spec.hostPID: Forbidden: when `hostUsers` is false",
    );
  });
});
