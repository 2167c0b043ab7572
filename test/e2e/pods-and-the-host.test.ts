import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

/** Static pods whose mirrors are deleted, all at the same time, each so many times. */
const STATIC_PODS = ["a", "b", "c", "d", "e"].map((letter) => `fixed-${letter}`);
const DELETIONS = 3;
const LOOPBACK = "127.0.0.1";
const NAMESPACE = "edges";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await sharedCluster(NAMESPACE);
});

afterAll(async () => {
  if (!cluster) return;
  for (const name of STATIC_PODS) rmSync(staticPod(name), { force: true });
  await cluster.leave();
});

const staticPod = (name: string) =>
  join(cluster.host.dir, "data", cluster.name, "manifests", `${name}.yaml`);

const HELLO = /^pod local /;
const SERVER = {
  name: "web",
  image: "r2k.local/web:1",
  readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
};
const pod = (name: string, container: object, more: object = {}) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: NAMESPACE },
    spec: { ...more, containers: [container] },
  });

describe("pods and their host", () => {
  it("a hostPort with hostIP 127.0.0.1 answers on the node alone, by that address", async () => {
    const port = (hostPort: number, more: object) => ({ containerPort: 8080, hostPort, ...more });
    await cluster.apply(
      pod("local", { ...SERVER, ports: [port(18_081, { hostIP: LOOPBACK }), port(18_082, {})] }),
    );
    // The node has a network of its own: a pod in it sees the node's loopback address.
    const command = ["sleep", "600"];
    const shell = { name: "shell", image: "r2k.local/busybox:1", command };
    await cluster.apply(pod("beside", shell, { hostNetwork: true }));
    await cluster.ask("wait", "pod/local", "pod/beside", "--for=condition=Ready", "--timeout=60s");
    const hostIP = await cluster.ask("get", "pod", "local", "-o", "jsonpath={.status.hostIP}");
    const get = async (address: string, port: number) => {
      const url = `http://${address}:${port}/`;
      const wget = ["exec", "beside", "--", "timeout", "5", "wget", "-qO-", url];
      return (await cluster.kubectl(wget)).stdout;
    };
    expect(await get(LOOPBACK, 18_081)).toMatch(HELLO);
    expect(await get(hostIP, 18_082)).toMatch(HELLO);
    expect(await cluster.curl(`http://${hostIP}:18082/`)).toMatch(HELLO);
    expect(await get(hostIP, 18_081)).toBe("");
    expect(await get(LOOPBACK, 18_082)).toBe("");
    await cluster.ask("delete", "pod", "local", "--now");
    expect(await get(LOOPBACK, 18_081)).toBe("");
  });

  it("a driver's mounts below the kubelet's root are seen outside of its container", async () => {
    const volumes = [{ name: "root", hostPath: { path: "/var/lib/kubelet" } }];
    const container = {
      name: "driver",
      image: "r2k.local/busybox:1",
      command: ["sh", "-c", "mkdir -p /root-dir/x && mount -t tmpfs x /root-dir/x && sleep 600"],
      securityContext: { privileged: true },
      volumeMounts: [{ name: "root", mountPath: "/root-dir", mountPropagation: "Bidirectional" }],
    };
    await cluster.apply(pod("driver", container, { volumes }));
    const place = join(cluster.host.dir, "data", cluster.name, "kubelet", "x");
    const on = (command: string) => cluster.host.run(command, [place]);
    await waitFor("the mount", async () => (await on("mountpoint")).code === 0);
    await cluster.ask("delete", "pod", "driver", "--now");
    expect((await on("umount")).code).toBe(0);
  });

  it(`a mirror pod deleted with --now ${DELETIONS} times is another each time`, async () => {
    for (const name of STATIC_PODS) writeFileSync(staticPod(name), pod(name, SERVER));
    const node = await cluster.ask("get", "node", "-o", "jsonpath={.items[0].metadata.name}");
    const mirrors = STATIC_PODS.map((name) => `${name}-${node}`);
    const seen = new Set<string>();
    await Promise.all(
      mirrors.map(async (mirror) => {
        const get = ["get", "pod", mirror, "-o", "jsonpath={.metadata.uid}"];
        for (let i = 0; i < DELETIONS; i++) {
          const isNew = (uid: string) => uid !== "" && !seen.has(uid);
          seen.add(await cluster.until("another mirror", get, isNew));
          // kubectl itself gives up, and fails, when the pod that it deleted is still there.
          await cluster.ask("delete", "pod", mirror, "--now", "--timeout=60s");
        }
      }),
    );
    expect(seen.size).toBe(DELETIONS * mirrors.length);
  });
});
