import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inTurn } from "../../testing/drawn.ts";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, TestCluster } from "../e2e/cluster.ts";
import { differences, type HostSnapshot } from "../e2e/host-snapshot.ts";
import { OwnHost } from "../e2e/own-host.ts";
import { policy } from "../e2e/policies.ts";
import { guestsMissing, wallLimit_ms } from "./guest.ts";
import { ganeshaConfig } from "./nfs-servers.ts";

// Takes turns, nodes that come and go: see test/e2e/nodes.test.ts.

const NAME = "guests";
const GUEST = "machine";
/** A node whose addition is interrupted. */
const SECOND = "second";
const TIMEOUT_MS = wallLimit_ms(300_000);
const LIMIT = { timeout: TIMEOUT_MS };
const IMAGE = "r2k.local/busybox:1";
const patience = { clock: machineClock(), timeout_ms: 120_000, interval_ms: ASK_MS };
const GANESHA = "/usr/bin/ganesha.nfsd";
const IPVSADM = "/sbin/ipvsadm";
const NODE_SHELL = join(import.meta.dirname, "../../examples/node-shell.yaml");
const isPossible = guestsMissing() === undefined && process.getuid?.() === 0;

/** A server on each node that answers with its node, and has a port of the guest. */
const MANIFEST = `
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: agent }
spec:
  selector: { matchLabels: { app: agent } }
  template:
    metadata: { labels: { app: agent } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: ${IMAGE}
          command: [sh, -c, 'echo "$NODE" | tee /tmp/index.html; httpd -f -p 8080 -h /tmp']
          env: [{ name: NODE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }]
          ports: [{ containerPort: 8080, hostPort: 8088 }]
          resources: { limits: { memory: 48Mi } }
          readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: agents }
spec:
  type: NodePort
  selector: { app: agent }
  ports: [{ port: 80, targetPort: 8080, nodePort: 30780 }]
---
apiVersion: v1
kind: Pod
metadata: { name: administrator }
spec:
  nodeName: ${GUEST}
  # The node is away for as long as a busy machine takes to find that out, perhaps 10 minutes.
  tolerations: [{ operator: Exists, effect: NoExecute }]
  hostNetwork: true
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${IMAGE}
      command: [sleep, "100000"]
      securityContext: { privileged: true }
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, emptyDir: {} }]
`;

const ISOLATED = `
apiVersion: v1
kind: Pod
metadata: { name: isolated, labels: { app: isolated } }
spec:
  nodeName: ${GUEST}
  terminationGracePeriodSeconds: 0
  containers: [{ name: main, image: "${IMAGE}", command: [sleep, "100000"] }]
`;

/** Folders that the server makes, which another test's may have made before. */
const OF_GANESHA = ["/run/ganesha", "/run/blkid"];
const NFS_POD = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: shared }
spec:
  storageClassName: nfs
  accessModes: [ReadWriteMany]
  resources: { requests: { storage: 1Mi } }
---
apiVersion: v1
kind: Pod
metadata: { name: writer }
spec:
  nodeName: ${GUEST}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${IMAGE}
      command: [sh, -c, "echo written > /data/file; sleep 100000"]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: shared } }]
`;

type PodPlace = { readonly name: string; readonly node: string; readonly ip: string };

let host: OwnHost;
let cluster: TestCluster;
let before: HostSnapshot;
let started: HostSnapshot;

const node = (...args: string[]) => host.r2k(["node", ...args, "--name", NAME]);

beforeAll(async () => {
  if (!isPossible) return;
  host = await OwnHost.create();
  before = await host.snapshot(NAME);
  cluster = await TestCluster.startIn(host, NAME, ["--no-demo"]);
  started = await host.snapshot(NAME);
  const added = await node("add", GUEST, "--guest", "--memory", "768");
  expect(added.stderr).toContain(`nodes: ${GUEST}`);
  expect(added.code).toBe(0);
  await cluster.apply(MANIFEST);
  await cluster.ask("rollout", "status", "daemonset/agent", "--timeout=120s");
  await cluster.ask("wait", "--for=condition=Ready", "pod/administrator", "--timeout=60s");
}, TIMEOUT_MS);

afterAll(async () => {
  if (!isPossible) return;
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
}, TIMEOUT_MS);

async function agents(): Promise<PodPlace[]> {
  const line = "{.metadata.name}|{.spec.nodeName}|{.status.podIP}";
  const template = `jsonpath={range .items[*]}${line}{"\\n"}{end}`;
  const text = await cluster.ask("get", "pods", "-l", "app=agent", "-o", template);
  return text
    .split("\n")
    .filter(Boolean)
    .map((row) => {
      const [name = "", at = "", ip = ""] = row.split("|");
      return { name, node: at, ip };
    });
}

const inPod = (pod: string, script: string) => cluster.ask("exec", pod, "--", "sh", "-c", script);

/** Starts a server on the host that the node is on. */
async function startGanesha() {
  const dir = join(host.dir, "ganesha");
  const [exported, log] = [join(dir, "exported"), join(dir, "log")];
  mkdirSync(exported, { recursive: true });
  writeFileSync(join(dir, "config"), ganeshaConfig(exported, "/exports", join(dir, "recovery")));
  const files = ["-f", join(dir, "config"), "-L", log, "-p", join(dir, "pid")];
  const child = host.start(GANESHA, ["-F", ...files]);
  const isReady = () => existsSync(log) && readFileSync(log, "utf8").includes("INITIALIZED");
  await waitFor("nfs-ganesha", isReady, patience);
  return { child, exported };
}

/** Waits until the guest serves the Service. */
async function serves(): Promise<void> {
  const address = await field(".status.addresses[0].address", "node", GUEST);
  const url = `http://${address}:30780/`;
  const answer = () => host.run("curl", ["-sS", "--max-time", "5", url]);
  await waitFor("the node port", async () => /machine/.test((await answer()).stdout), patience);
}

/** Waits until the guest serves the Service in iptables mode; then it has nothing of IPVS. */
async function servesByIptables(): Promise<void> {
  await serves();
  const servers = "grep -c -E '^(TCP|UDP)' /proc/net/ip_vs; ls /sys/class/net";
  const [count, ...links] = (await inPod("administrator", servers)).split("\n");
  expect(count).toBe("0");
  expect(links).not.toContain("kube-ipvs0");
}

/** The process on this machine whose child the guest is. */
async function nodeProcess(): Promise<number> {
  const processes = await cluster.processes();
  return processes.find(({ name }) => name === `node ${GUEST}`)!.pid!;
}

/** The child of a process that has one beside its supervisor, which is another shell. */
function childOf(pid: number | undefined): number | undefined {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = existsSync(path) ? readFileSync(path, "utf8").trim().split(" ") : [];
  return children
    .map(Number)
    .find(
      (child) =>
        existsSync(`/proc/${child}`) &&
        readFileSync(`/proc/${child}/cmdline`, "utf8").includes("linux.uml"),
    );
}

/** The guest's kernel: the node process waits for unshare, that for the first, that for it. */
const kernelOf = (pid: number | undefined) => [1, 2, 3].reduce(childOf, pid);

/** Resolves with whether the guest has booted since this call. */
async function nextBoot(): Promise<() => Promise<boolean>> {
  const args = ["exec", "administrator", "--", "cat", "/proc/sys/kernel/random/boot_id"];
  const first = await cluster.kubectl(args);
  expect(first.code).toBe(0);
  return async () => {
    const { code, stdout } = await cluster.kubectl(args);
    return code === 0 && stdout !== first.stdout;
  };
}

const field = (path: string, ...of: string[]) =>
  cluster.ask("get", ...of, "-o", `jsonpath={${path}}`);

const isReady = () => field(".status.conditions[?(@.type=='Ready')].status", "node", GUEST);

describe.runIf(isPossible)("a node that is a guest", LIMIT, () => {
  it("has a kernel of its own, and joined as other nodes do", async () => {
    await inPod("administrator", "echo kept > /data/file");
    const kernel = await field(".status.nodeInfo.kernelVersion", "node", GUEST);
    expect(kernel).not.toContain(release());
    expect(await inPod("administrator", "uname -r")).toBe(kernel.split(" ")[0]);
    expect(await field(".items[*].spec.username", "csr")).toContain(`system:node:${GUEST}`);
    const secrets = await cluster.ask("get", "secrets", "-n", "kube-system", "-o", "name");
    expect(secrets).not.toContain("bootstrap-token");
    const memory = await inPod("administrator", "grep MemTotal /proc/meminfo");
    expect(Number(/\d+/.exec(memory)?.[0])).toBeLessThanOrEqual(768 * 1024);
  });

  it("its pods and those of the other node reach each other, and Services by name", async () => {
    const pods = await agents();
    expect(pods).toHaveLength(2);
    const nodes = pods.map((pod) => pod.node);
    const asks = (urls: readonly string[]) =>
      urls.map((url) => `wget -qO- http://${url}/`).join("; ");
    for (const pod of pods) {
      const direct = await inPod(pod.name, asks(pods.map(({ ip }) => `${ip}:8080`)));
      expect(direct.split("\n")).toEqual(nodes);
      const byName = async () => {
        const said = await inPod(pod.name, asks(Array<string>(8).fill("agents")));
        return new Set(said.split("\n")).size === nodes.length;
      };
      // A node's proxy learns of an endpoint a moment after its pod is ready.
      await waitFor(`both pods behind their Service, from ${pod.node}`, byName, patience);
      const other = pods.find(({ ip }) => ip !== pod.ip)!;
      // A packet of the overlay's MTU, one more, and one in several fragments.
      for (const size of [1_422, 1_423, 8_000]) {
        await inPod(pod.name, `ping -q -c 1 -W 5 -s ${size} ${other.ip}`);
      }
    }
  });

  it("IPVS serves Services there, also the host, and a pod has a port of the node", async () => {
    const ip = await field(".spec.clusterIP", "service", "agents");
    const hex = ip.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
    const servers = await inPod("administrator", "cat /proc/net/ip_vs");
    expect(servers).toContain(`TCP  ${hex.join("").toUpperCase()}:0050 rr`);
    const address = await field(".status.addresses[0].address", "node", GUEST);
    expect(await cluster.curl(`http://${address}:30780/`)).toMatch(/machine/);
    expect(await cluster.curl(`http://${address}:8088/`)).toBe(`${GUEST}\n`);
    expect(await inPod("administrator", "nc -w 2 10.96.255.254 80 < /dev/null; echo $?")).toBe("1");
  });
});

describe.runIf(isPossible && existsSync(IPVSADM))("ipvsadm in a guest node", LIMIT, () => {
  it("is the host's, and shows the guest's virtual servers", async () => {
    const ip = await field(".spec.clusterIP", "service", "agents");
    await cluster.apply(readFileSync(NODE_SHELL, "utf8"));
    await cluster.ask("wait", "--for=condition=Ready", "pod/node-shell", "--timeout=60s");
    const shown = await cluster.ask("exec", "node-shell", "--", "chroot", "/host", IPVSADM, "-Ln");
    expect(shown).toMatch(new RegExp(`^TCP +${ip}:80 rr`, "m"));
  });
});

describe.runIf(isPossible)("the kubelet and kernel of a guest node", LIMIT, () => {
  it("enforces no policies: its Node says so, and no pod that one selects starts", async () => {
    expect(await field(".metadata.labels.r2k\\.io/network-policy", "node", GUEST)).toBe("none");
    await cluster.apply(policy("isolated", { podSelector: { matchLabels: { app: "isolated" } } }));
    await cluster.apply(ISOLATED);
    const events = ["get", "events", "--field-selector", "involvedObject.name=isolated"];
    await cluster.until("the refusal", [...events, "-o", "jsonpath={.items[*].message}"], (text) =>
      text.includes('this node cannot enforce NetworkPolicy "isolated"'),
    );
    const { phase } = JSON.parse(await field(".status", "pod", "isolated")) as { phase: string };
    expect(phase).toBe("Pending");
    await cluster.ask("delete", "networkpolicy", "isolated");
    await cluster.ask("wait", "--for=condition=Ready", "pod", "isolated", "--timeout=120s");
    await cluster.ask("delete", "pod", "isolated");
  });

  it("its kernel takes all rules of the overlay", async () => {
    const { stdout } = await host.r2k(["logs", "node", "--node", GUEST, "--name", NAME]);
    expect(stdout).not.toMatch(/pods can send encapsulated packets/);
  });

  it("a setting that a pod changes comes back, and the log says so once", async () => {
    const line = "another program changed the node's rules or kernel settings; put back";
    const repairs = async () => {
      const { stdout } = await host.r2k(["logs", "node", "--node", GUEST, "--name", NAME]);
      return stdout.split(line).length - 1;
    };
    const setting = "/proc/sys/net/ipv4/ip_forward";
    expect(await inPod("administrator", `echo 0 > ${setting}; cat ${setting}`)).toBe("0");
    await waitFor("the log", async () => (await repairs()) > 0, patience);
    expect(await inPod("administrator", `cat ${setting}`)).toBe("1");
    expect(await repairs()).toBe(1);
  });

  it("exec, logs, port-forward and metrics come from its kubelet", async () => {
    const pod = (await agents()).find((one) => one.node === GUEST)!;
    expect(await cluster.ask("logs", pod.name)).toBe(GUEST);
    expect(await inPod(pod.name, "cat /sys/fs/cgroup/memory.max")).toBe(String(48 << 20));
    const forward = cluster.startKubectl(["port-forward", `pod/${pod.name}`, "18080:8080"]);
    const answer = () => cluster.curl("http://127.0.0.1:18080/");
    expect(await waitFor("the forwarded port", answer, patience)).toBe(`${GUEST}\n`);
    forward.kill();
    const summary = `/api/v1/nodes/${GUEST}/proxy/stats/summary`;
    expect(await cluster.ask("get", "--raw", summary)).toContain(pod.name);
  });
});

describe.runIf(isPossible && existsSync(GANESHA))("NFS in a guest node", LIMIT, () => {
  it("mounts volumes of an NFS server", async () => {
    const server = await startGanesha();
    const address = await field(".subsets[0].addresses[0].ip", "endpoints", "kubernetes");
    const example = readFileSync(join(import.meta.dirname, "../../examples/nfs.yaml"), "utf8");
    const deleting = example.replace("onDelete: archive", "onDelete: delete");
    const provisioned = deleting.replace(
      "# labels: { r2k.io/provisioner-node: NODE }",
      `labels: { r2k.io/provisioner-node: ${GUEST} }`,
    );
    await cluster.apply(provisioned.replace("nfs.example", address));
    await cluster.apply(NFS_POD);
    await cluster.ask("wait", "--for=condition=Ready", "pod/writer", "--timeout=120s");
    expect(await inPod("writer", "mount | grep ' /data '")).toContain(`${address}:/exports/`);
    const file = join(server.exported, "default/shared/file");
    await waitFor("the pod's file", () => existsSync(file) && readFileSync(file, "utf8"), patience);
    expect(readFileSync(file, "utf8")).toBe("written\n");
    await cluster.ask("delete", "pod/writer", "pvc/shared", "--timeout=60s");
    const isGone = () => !existsSync(join(server.exported, "default"));
    await waitFor("the volume's directory to go", isGone, patience);
    server.child.kill("SIGKILL");
    await host.run("rm", ["-rf", ...OF_GANESHA]);
  });
});

const stopped = () =>
  describe.runIf(isPossible)("a guest node that is stopped", LIMIT, () => {
    it("refuses to change its proxy mode while it runs", async () => {
      const refused = await node("start", GUEST, "--proxy-mode", "iptables");
      expect(refused).toMatchObject({ code: 1 });
      expect(refused.stderr).toMatch(/node machine runs[^]*are in it[^]*r2k node stop machine/);
    });

    it("keeps its data, and takes another mode when it is started", async () => {
      const uid = await field(".metadata.uid", "pod/administrator");
      expect(await node("stop", GUEST)).toMatchObject({ code: 0 });
      expect(await isReady()).toBe("False");
      expect(await node("start", GUEST, "--proxy-mode", "iptables")).toMatchObject({ code: 0 });
      expect(await isReady()).toBe("True");
      const restarted = async () => {
        const count = await field(".status.containerStatuses[0].restartCount", "pod/administrator");
        return Number(count) > 0;
      };
      await waitFor("the pod to run again", restarted, patience);
      expect(await field(".metadata.uid", "pod/administrator")).toBe(uid);
      expect(await inPod("administrator", "cat /data/file")).toBe("kept");
      await servesByIptables();
    });
  });

const silent = () =>
  describe.runIf(isPossible)("a guest node whose kernel does not answer", LIMIT, () => {
    let hasBooted: () => Promise<boolean>;
    let silent: number;

    // It is given up after a minute, in which others are added.
    beforeAll(async () => {
      hasBooted = await nextBoot();
      silent = kernelOf(await nodeProcess())!;
      expect(readFileSync(`/proc/${silent}/comm`, "utf8")).toBe("linux.uml\n");
      process.kill(silent, "SIGSTOP");
    });

    it.each([
      ["before it joins", "data", ""],
      ["while its kernel boots", "run", "guest/guest/pid"],
    ])("Ctrl-C while another is added leaves nothing of it, %s", async (_when, folder, file) => {
      const place = join(host.dir, folder, NAME, "nodes", SECOND);
      const [program, ...words] = host.program;
      const add = ["node", "add", SECOND, "--guest", "--memory", "384", "--name", NAME];
      const child = host.start(program, [...words, ...add]);
      const ended = once(child, "exit");
      await waitFor("the addition", () => existsSync(join(place, file)), patience);
      // A terminal sends it to every process of the command.
      child.kill("SIGINT");
      child.kill("SIGINT");
      expect(await ended).toEqual([130, null]);
      expect(existsSync(place)).toBe(false);
      expect((await cluster.kubectl(["get", "node", SECOND])).stderr).toMatch(/NotFound/);
      const objects = await cluster.ask("get", "secrets,endpointslices", "-n", "kube-system");
      expect(objects).not.toMatch(/bootstrap-token|second/);
      const left = differences(started, await host.snapshot(NAME));
      expect(left.filter((line) => line.includes(SECOND))).toEqual([]);
    });

    it("is ended and started again", async () => {
      const isAnother = async () => {
        const kernel = kernelOf(await nodeProcess());
        return kernel !== undefined && kernel !== silent;
      };
      await waitFor("another kernel", isAnother, { ...patience, timeout_ms: 290_000 });
      const { stdout } = await host.r2k(["logs", "node", "--node", GUEST, "--name", NAME]);
      expect(stdout).toMatch(/the guest does not answer: it is ended, and started again/);
    });

    it("boots, also if its process is killed", async () => {
      process.kill(await nodeProcess(), "SIGKILL");
      await waitFor("the guest to boot again", hasBooted, patience);
      expect(await inPod("administrator", "cat /data/file")).toBe("kept");
      await serves();
    });
  });

// Each boots a kernel once more, which takes a processor for half a minute.
for (const judge of inTurn("guest nodes", [stopped, silent], 1)) judge();

describe.runIf(isPossible)("a guest node that is removed", LIMIT, () => {
  it("leaves no trace", async () => {
    expect(await node("remove", GUEST)).toMatchObject({ code: 0 });
    expect((await cluster.kubectl(["get", "node", GUEST])).stderr).toMatch(/NotFound/);
    const left = differences(started, await host.snapshot(NAME));
    expect(left.filter((line) => line.includes(GUEST))).toEqual([]);
    expect((await cluster.down()).code).toBe(0);
    const changed = differences(before, await host.snapshot(NAME));
    const isOurs = (line: string) => !OF_GANESHA.some((folder) => line.endsWith(folder));
    expect(changed.filter(isOurs)).toEqual([]);
  });
});
