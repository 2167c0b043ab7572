import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hasIpvs } from "../../cli/preflight/proxy-mode.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, killAll, TestCluster } from "./cluster.ts";
import { volumesOfNodes } from "./node-storage.ts";
import { type Outcome, OwnHost } from "./own-host.ts";
import { policiesThroughService } from "./policies.ts";

// Takes turns, networks that change: two files change the proxy's mode under connections, here
// nftables, iptables and userspace on two nodes, in test/guest/proxy.test.ts IPVS and iptables in a
// guest. Two damage a network that is mended, test/contract/cni/node-repair.test.ts a node's,
// overlay/repair.test.ts the overlay between them. The rules of a mode are in every run:
// test/contract/proxy/.

// In a cluster with the default grace period: with a short one a node whose process takes longer to
// start again, as on a busy machine, is lost for a moment. Its pods leave their Services then, and
// the host takes another way to those, on which connections do not go on.

const NAME = "modes";
const IMAGE = "r2k.local/busybox:1";
const NODE_PORT = 30_081;
/** Connections that a client makes before it is judged again; one may have started before. */
const MORE = 5;
/** How long a client waits for a connection: one that no rule translated is never made. */
const CONNECT_S = 30;
/** Pause between two connections of a client. */
const PAUSE_MS = 50;
const patience = { clock: machineClock(), timeout_ms: 60_000, interval_ms: ASK_MS };

/** Sends numbers on one connection, once a server returns them, and prints what comes back. */
const countTo = (address: string, port: number) => {
  const connect = `busybox nc ${address} ${port}`;
  return (
    `until echo 0 | ${connect} | grep -q 0; do sleep 0.1; done; ` +
    `i=0; while sleep 0.1; do i=$((i+1)); echo $i || exit; done | ${connect}`
  );
};

/**
 * A program of Node: connects again and again, once a server answers, and prints how each attempt
 * ended. One process makes all connections: a shell would start four programs for each.
 */
const CONNECTING = `
const [address, port] = process.argv.slice(1);
const connect = (done) => {
  const options = { host: address, port: Number(port), timeout: ${CONNECT_S * 1_000} };
  const socket = require("node:net").connect(options);
  let said = "";
  socket.on("data", (data) => (said += data));
  socket.on("timeout", () => socket.destroy(new Error("no answer")));
  socket.on("error", ({ message }) => (said += message));
  socket.on("close", () => done(said));
  socket.end("hi\\n");
};
let answered = false;
const again = () => connect((said) => {
  if (said === "hi\\n") console.log("ok");
  else if (answered) console.log("at " + new Date().toISOString() + ": " + said);
  answered ||= said === "hi\\n";
  setTimeout(again, ${PAUSE_MS});
});
again();
`;
const connectAgain = (address: string, port: number) => ["-e", CONNECTING, address, String(port)];

/** A server that returns what it receives, and a client of it on another node. */
const echo = () => `
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
  nodeName: ${first}
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

const ENFORCEMENT = [
  "get",
  "nodes",
  "-o",
  "jsonpath={.items[*].metadata.labels.r2k\\.io/network-policy}",
];

/** All pods with their containers; a container that is started again has another id. */
const CONTAINERS =
  "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].containerID};{end}";

let host: OwnHost;
let cluster: TestCluster;
let first: string;

beforeAll(async () => {
  host = await OwnHost.create();
  cluster = await TestCluster.startIn(host, NAME, ["--no-demo", "--nodes", "2"]);
  const names = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[*].metadata.name}");
  first = names.split(" ").find((name) => name.startsWith(`${NAME}-`)) ?? "";
});

afterAll(async () => {
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
});

const nodes = () => [first, "node-2"];

/** The flag that names a node's network namespace. */
const netnsOf = (node: string) => {
  const place = node === first ? "netns/node" : `nodes/${node}/netns/node`;
  return `--net=${join(host.dir, "run", NAME, place)}`;
};

/** Runs a program in a node's network namespace. */
const inside = (node: string, command: readonly string[]): Promise<Outcome> =>
  host.run("nsenter", [netnsOf(node), ...command]);

/** Starts a client in the host that counts on a connection. */
function startCounting(address: string, port: number) {
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

/** Starts clients that make connections: in the host, and on a node by its own address. */
async function startConnecting() {
  const ip = await cluster.ask("get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}");
  const clients = [
    host.start(process.execPath, connectAgain(ip, 80)),
    host.start(process.execPath, connectAgain("127.0.0.1", NODE_PORT)),
    host.start("nsenter", [netnsOf(first), process.execPath, ...connectAgain(ip, 80)]),
  ].map((child) => {
    const ends: string[] = [];
    child.stdout!.on("data", (text) => ends.push(...String(text).split("\n").filter(Boolean)));
    return { child, ends };
  });
  /** How the attempts that failed ended; waits until each client has made more than a few. */
  const failures = async () => {
    const then = clients.map(({ ends }) => ends.length);
    await waitFor(
      "new connections of all clients",
      () => clients.every(({ ends }, index) => ends.length > then[index]! + MORE),
      patience,
    );
    return clients.flatMap(({ ends }) => ends.filter((end) => end !== "ok"));
  };
  return {
    failures,
    /**
     * Asserts that no attempt fails from now on. Some have while the mode changed from userspace: a
     * node refuses while its process is away.
     */
    async works(): Promise<void> {
      const before = await failures();
      expect(await failures()).toEqual(before);
    },
    end: () => clients.forEach(({ child }) => child.kill()),
  };
}

/** The modes whose rules a node's kernel has. */
async function modesOf(node: string): Promise<string[]> {
  const list = "nft list tables && iptables-save -t nat";
  const { code, stdout, stderr } = await inside(node, ["sh", "-c", list]);
  if (code !== 0) throw new Error(stderr);
  return [
    ...(stdout.includes("table ip r2k-proxy\n") ? ["nftables"] : []),
    ...(stdout.includes("table ip r2k-proxy-userspace\n") ? ["userspace"] : []),
    ...(stdout.includes(":KUBE-") ? ["iptables"] : []),
  ];
}

/** A folder with an iptables-restore that refuses everything. */
function refusingIptables(): string {
  const folder = join(host.dir, "refusing");
  mkdirSync(folder);
  for (const kind of ["nft", "legacy"]) {
    const script = "#!/bin/sh\necho 'not today' >&2\nexit 4\n";
    writeFileSync(join(folder, `iptables-${kind}-restore`), script, { mode: 0o755 });
  }
  return folder;
}

/** Clients in the host and in a pod of another node, by each kind of address. */
async function startClients() {
  await cluster.apply(echo());
  const field = (path: string, ...object: string[]) =>
    cluster.ask("get", ...object, "-o", `jsonpath={${path}}`);
  const here = [
    startCounting(await field(".spec.clusterIP", "service", "echo"), 80),
    startCounting(await field(".status.addresses[0].address", "node", first), NODE_PORT),
    startCounting("127.0.0.1", NODE_PORT),
  ];
  await cluster.ask("wait", "pod/echo", "pod/counter", "--for=condition=Ready");
  const counts = async () => {
    // The log has the errors of the first attempts, too.
    const lines = (await cluster.ask("logs", "counter", "--tail=8")).split("\n");
    const inPod = Math.max(0, ...lines.map(Number).filter(Number.isInteger));
    return [inPod, ...here.map(({ count }) => count())];
  };
  return {
    /** Waits until each connection has passed on more. */
    async goOn() {
      const then = await counts();
      await waitFor(
        "all connections to go on",
        async () => {
          const now = await counts();
          if (now.every((count, index) => count > then[index]!)) return true;
          throw new Error(`pod, ClusterIP, node port, localhost: ${then} to ${now}`);
        },
        patience,
      );
    },
    async end() {
      for (const { end } of here) end();
      await cluster.ask("delete", "pod/echo", "pod/counter", "service/echo");
    },
  };
}

/** `r2k start --proxy-mode` on the running cluster. */
function change(mode: string, env: Record<string, string> = {}) {
  return host.r2k(["start", "--name", NAME, "--proxy-mode", mode], { env });
}

/** Each node's modes, as one word. */
async function modesOfAll(): Promise<string[]> {
  const modes = await Promise.all(nodes().map(modesOf));
  return modes.map((names) => names.join("+"));
}

describe("the proxy's mode", () => {
  it("changes while connections go on, and leaves no rules of the former", async () => {
    const clients = await startClients();
    await clients.goOn();
    const connecting = await startConnecting();
    expect(await connecting.failures()).toEqual([]);
    const containers = await cluster.ask("get", "pods", "-o", CONTAINERS);
    for (const mode of ["iptables", "nftables"]) {
      const changed = await change(mode);
      expect(changed.code, changed.stderr).toBe(0);
      for (const node of nodes()) expect(changed.stderr).toContain(`${mode} on node ${node}`);
      // A call ends when the rules are applied, and those of the former mode are gone.
      expect(await modesOfAll()).toEqual([mode, mode]);
      expect(await connecting.failures()).toEqual([]);
      await clients.goOn();
      const status = await host.r2k(["status", "--name", NAME]);
      expect(status.stdout).toMatch(new RegExp(`node-2 Ready, Services by ${mode}`));
    }
    expect(await cluster.ask("get", "pods", "-o", CONTAINERS)).toBe(containers);
    connecting.end();
    await clients.end();
  });

  it("that cannot be applied is put back on the first node, and no other changes", async () => {
    const PATH = `${refusingIptables()}:${process.env["PATH"]}`;
    const failed = await change("iptables", { PATH });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(
      /node node-2 cannot serve Services by iptables: [^]*not today[^]*by nftables again/,
    );
    expect(failed.stderr).not.toContain(`on node ${first}`);
    expect(await modesOfAll()).toEqual(["nftables", "nftables"]);
    const status = await host.r2k(["status", "--name", NAME]);
    expect(status.stdout).toMatch(/well[^]*node-2 Ready, Services by nftables/);
  });

  it("goes on after Ctrl-C between two nodes, by two calls at once, and back", async () => {
    await cluster.apply(echo());
    await cluster.ask("wait", "pod/echo", "--for=condition=Ready");
    const connecting = await startConnecting();
    expect(await connecting.failures()).toEqual([]);
    const interrupted = await change("userspace", {
      R2K_INTERRUPT_AFTER: "userspace on node node-2",
    });
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain("r2k start --proxy-mode userspace --name");
    expect(await modesOfAll()).toEqual(["nftables", "userspace"]);
    const both = await Promise.all([change("userspace"), change("userspace")]);
    const said = both.map(({ stderr }) => stderr).join("\n");
    expect(
      both.map(({ code }) => code),
      said,
    ).toEqual([0, 0]);
    expect(said).toContain("Waiting for another command that changes");
    expect(await modesOfAll()).toEqual(["userspace", "userspace"]);
    await cluster.until(
      "the Nodes to enforce policies",
      ENFORCEMENT,
      (text) => text === "enforced enforced",
    );
    await policiesThroughService(cluster, ["node-2", first]);
    expect(await connecting.failures()).toEqual([]);
    // As after a change that failed at the first node, and could not put it back.
    killAll((await cluster.processes()).filter(({ name }) => name === "node"));
    const back = await change("nftables");
    expect(back.code, back.stderr).toBe(0);
    expect(back.stderr).toContain(`nftables on node ${first}`);
    expect(await modesOfAll()).toEqual(["nftables", "nftables"]);
    await connecting.works();
    connecting.end();
    await cluster.until(
      "the Nodes to enforce policies",
      ENFORCEMENT,
      (text) => text === "enforced enforced",
    );
    await cluster.ask("delete", "pod/echo", "pod/counter", "service/echo");
  });

  it.skipIf(hasIpvs())("that the kernel has not is refused by name", async () => {
    const refused = await change("ipvs");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/no IPVS, which the mode ipvs needs[^]*--guest --proxy-mode/);
  });

  it("that is unknown, or for one node alone, is refused by name", async () => {
    const unknown = await change("ebpf");
    expect(unknown.stderr).toMatch(/ebpf[^]*nftables, iptables, ipvs, userspace/);
    const alone = ["node", "start", "node-2", "--proxy-mode", "iptables", "--name", NAME];
    const refused = await host.r2k(alone);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/node-2 is no guest[^]*r2k start --proxy-mode iptables/);
  });
});

volumesOfNodes(() => cluster);
