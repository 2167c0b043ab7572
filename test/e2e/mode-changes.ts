import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { describe, expect, it } from "vitest";
import { hasIpvs } from "../../cli/preflight/proxy-mode.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";
import type { Outcome, OwnHost } from "./own-host.ts";

const TIMEOUT_MS = 180_000;
const IMAGE = "r2k.local/busybox:1";
const NODE_PORT = 30_081;
const patience = { clock: systemClock(), timeout_ms: 60_000, interval_ms: ASK_MS };

/** Sends numbers on one connection, once a server returns them, and prints what comes back. */
const countTo = (address: string, port: number) => {
  const connect = `busybox nc ${address} ${port}`;
  return `until echo 0 | ${connect} | grep -q 0; do sleep 0.1; done; ` +
    `i=0; while sleep 0.1; do i=$((i+1)); echo $i || exit; done | ${connect}`;
};

/** A server that returns what it receives, and a client of it on another node. */
const ECHO = `
apiVersion: v1
kind: Pod
metadata: { name: echo, labels: { app: echo } }
spec:
  nodeName: node-2
  terminationGracePeriodSeconds: 1
  containers:
    - { name: main, image: "${IMAGE}", command: [nc, -ll, -p, "8080", -e, cat] }
---
apiVersion: v1
kind: Pod
metadata: { name: counter }
spec:
  nodeName: node-3
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
    - { name: main, image: "${IMAGE}", command: [sh, -c, "${countTo("echo", 80)}"] }
---
apiVersion: v1
kind: Service
metadata: { name: echo }
spec:
  type: NodePort
  selector: { app: echo }
  ports: [{ port: 80, targetPort: 8080, nodePort: ${NODE_PORT} }]
`;

/** All pods with their containers; a container that is started again has another id. */
const CONTAINERS =
  "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].containerID};{end}";

export interface Nodes {
  readonly cluster: TestCluster;
  /** Their names, the first node's before the others. */
  readonly nodes: readonly [string, ...string[]];
  netnsOf(node: string): string;
  inside(netns: string, command: readonly string[]): Promise<Outcome>;
}

/** Starts a client in the host that counts on a connection. */
function startCounting(host: OwnHost, address: string, port: number) {
  const child = host.start("sh", ["-c", countTo(address, port)]);
  let said = "";
  child.stdout!.on("data", (text) => (said += String(text)));
  return {
    /** How many numbers came back, none of them lost. */
    count(): number {
      const numbers = said.split("\n").slice(0, -1).map(Number);
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
      return numbers.length;
    },
    end: () => child.kill(),
  };
}

/** The modes whose rules a node's kernel has. */
async function modesOf({ inside, netnsOf }: Nodes, node: string): Promise<string[]> {
  const list = "nft list tables && iptables-save -t nat";
  const { code, stdout, stderr } = await inside(netnsOf(node), ["sh", "-c", list]);
  if (code !== 0) throw new Error(stderr);
  return [
    ...(stdout.includes("table ip r2k-proxy\n") ? ["nftables"] : []),
    ...(stdout.includes(":KUBE-") ? ["iptables"] : []),
  ];
}

/** Clients in the host and in a pod of another node, by each kind of address. */
async function startClients(cluster: TestCluster) {
  const { host } = cluster;
  await cluster.apply(ECHO);
  const field = (path: string, ...object: string[]) =>
    cluster.ask("get", ...object, "-o", `jsonpath={${path}}`);
  const here = [
    startCounting(host, await field(".spec.clusterIP", "service", "echo"), 80),
    startCounting(host, await field(".status.addresses[0].address", "node", "node-3"), NODE_PORT),
    startCounting(host, "127.0.0.1", NODE_PORT),
  ];
  await cluster.ask("wait", "pod/echo", "pod/counter", "--for=condition=Ready");
  const counts = async () => {
    const inPod = Number(await cluster.ask("logs", "counter", "--tail=1"));
    return [inPod, ...here.map(({ count }) => count())];
  };
  return {
    /** Waits until each connection has passed on more. */
    async goOn() {
      const then = await counts();
      await waitFor("all connections to go on", async () => {
        return (await counts()).every((count, index) => count > then[index]!);
      }, patience);
    },
    async end() {
      for (const { end } of here) end();
      await cluster.ask("delete", "pod/echo", "pod/counter", "service/echo");
    },
  };
}

/** Cases of a running cluster of three nodes in mode nftables, which it has afterwards again. */
export function modeChanges(of: () => Nodes): void {
  const change = (mode: string) => {
    const { host, name } = of().cluster;
    return host.r2k(["start", "--name", name, "--proxy-mode", mode]);
  };

  describe("the proxy's mode", { timeout: TIMEOUT_MS }, () => {
    it("changes while connections go on, and leaves no rules of the former", async () => {
      const { cluster, nodes } = of();
      const clients = await startClients(cluster);
      await clients.goOn();
      const containers = await cluster.ask("get", "pods", "-o", CONTAINERS);
      for (const mode of ["iptables", "nftables"]) {
        const changed = await change(mode);
        expect(changed.code, changed.stderr).toBe(0);
        for (const node of nodes) {
          expect(changed.stderr).toContain(`${mode} on node ${node}`);
          await waitFor(`only rules of ${mode} on ${node}`, async () => {
            return (await modesOf(of(), node)).join() === mode;
          }, patience);
        }
        await clients.goOn();
        const status = await cluster.host.r2k(["status", "--name", cluster.name]);
        expect(status.stdout).toMatch(new RegExp(`node-3 Ready, Services by ${mode}`));
      }
      expect(await cluster.ask("get", "pods", "-o", CONTAINERS)).toBe(containers);
      await clients.end();
    });

    it.skipIf(hasIpvs())("that the kernel has not is refused by name", async () => {
      const refused = await change("ipvs");
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/no IPVS, which the mode ipvs needs[^]*--guest --proxy-mode/);
    });

    it("that is unknown, or for one node alone, is refused by name", async () => {
      expect((await change("ebpf")).stderr).toMatch(/ebpf[^]*nftables, iptables, ipvs, userspace/);
      const { cluster: { host, name } } = of();
      const alone = ["node", "start", "node-2", "--proxy-mode", "iptables", "--name", name];
      const refused = await host.r2k(alone);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/node-2 is no guest[^]*r2k start --proxy-mode iptables/);
    });
  });
}
