import { appendFileSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { pidsBelow } from "@raft2kube/linux/cgroup/cgroup-files.ts";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { KubeadmMachine } from "../test/e2e/machines/kubeadm-machine.ts";
import { type Machine, Machines, must } from "../test/e2e/machines/machine.ts";
import { peer, pss_mib, ROOT } from "./apiserver/sides.ts";
import { median, quantile, type Row, rangeOf } from "./benchmark.ts";
import { joinWords, note, r2k, readIfThere, ready, within } from "./cluster.ts";
import type { Load } from "./node/load.ts";

const PODS = 20;
/** A node's limit by default. */
const AT_ONCE = 110;
const ROUNDS = 3;
/** Looks for a node's agents, which start others meanwhile. */
const LOOKS_MAX = 10;
/** The limit here: the cluster's own pods, as its proxy, are beside them. */
const PODS_MAX = AT_ONCE + 20;
const OURS = "ours";
const UPSTREAM = "upstream";
const PEER = "kubelet 1.36 with containerd 1.6 and runc";
const ADMIN = "/etc/kubernetes/admin.conf";
const ARCHIVE = join(ROOT, ".cache/release/registry.k8s.io.tar");
/** An image of the archive, which is on both nodes: its program waits, and ends by SIGTERM. */
const IMAGE = "registry.k8s.io/pause:3.10.2";

/** The hierarchy that counts CPU time. */
const ACCOUNTS = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup"].find(existsSync);

/** The group of a machine's pods, named as `KubeadmMachine` does. */
const groupOf = (name: string) => `/r2k/machines-${process.pid}-${name}`;
/** The group of a node's kubelet, runtime, and programs that these start. */
const agentsOf = (name: string) => groupOf(`${name}-agents`);

/** Debian's plugins, which each runtime runs as programs. */
const networkOf = (subnet: string) =>
  JSON.stringify({
    cniVersion: "0.4.0",
    name: "bench",
    plugins: [
      {
        type: "bridge",
        bridge: "bench0",
        isGateway: true,
        ipMasq: true,
        ipam: { type: "host-local", ranges: [[{ subnet }]], routes: [{ dst: "0.0.0.0/0" }] },
      },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });

/** Milliseconds from a call until its effect is seen, and CPU time of the node's agents. */
type Taken = { readonly wall: number; readonly cpu: number };

/**
 * Pods from the first create to the last Ready, and from the first delete to the last gone; between
 * them the MiB of memory (PSS) that the node's agents have, a monitor for each pod among them.
 */
type Times = { readonly ready: Taken; readonly gone: Taken; readonly memory: number };

type Counts = { readonly pods: number; readonly atOnce: number; readonly rounds: number };

/**
 * Pods of a node until they are Ready, and until they are gone, one after the other and all at the
 * same time: that of `r2k join`, and upstream's kubelet with containerd, joined by kubeadm, in turn
 * on one control plane (ours). Machines are namespaces; plugins and image are the same.
 */
export async function node(args: readonly string[] = []): Promise<Row[]> {
  const text = { type: "string" } as const;
  const options = { pods: text, "at-once": text, rounds: text };
  const { values } = parseArgs({ args: [...args], options });
  for (const name of ["kubeadm", "kubelet"]) peer(name);
  const machines = await Machines.create();
  const interrupted = new Promise<never>((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => reject(new Error(`ended by ${signal}`)));
    }
  });
  const work = measured(machines, {
    pods: countOf(values.pods, PODS),
    atOnce: countOf(values["at-once"], AT_ONCE),
    rounds: countOf(values.rounds, ROUNDS),
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    await machines.close();
    const names = ["plane", OURS, UPSTREAM];
    for (const group of names.flatMap((name) => [groupOf(name), agentsOf(name)])) {
      await openCgroups().remove(group, { clock: systemClock() });
    }
  }
}

function countOf(text: string | undefined, otherwise: number): number {
  const count = Number(text ?? otherwise);
  if (Number.isInteger(count) && count > 0) return count;
  throw new Error(`"${text}" is no count: give a whole number of at least 1`);
}

async function measured(machines: Machines, { pods, atOnce, rounds }: Counts): Promise<Row[]> {
  const plane = await machines.add("plane");
  note("a control plane and two nodes start");
  await r2k(plane, "init", "--config", configOf(machines, plane));
  await joinOurs(machines, plane);
  await joinUpstream(machines, plane);
  const load = startLoad(plane);
  const [one, all] = [1, 2].map(() => ({ [OURS]: [], [UPSTREAM]: [] }) as Record<string, Times[]>);
  const sides = [OURS, UPSTREAM];
  // The first of each is not counted: programs load what they use.
  for (let n = 0; n <= pods; n++) {
    for (const side of sides) {
      const times = await load({ node: side, pods: 1, image: IMAGE });
      if (n > 0) one![side]!.push(times);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      all![side]!.push(await load({ node: side, pods: atOnce, image: IMAGE }));
    }
  }
  return [...rowsOfOne(one!), ...rowsOfAll(all!, atOnce)];
}

/** The kubelet's configuration of a machine of ours. */
function configOf(machines: Machines, { name }: Machine): string {
  const file = join(machines.dir, `${name}.yaml`);
  const kind = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
  writeFileSync(file, `${kind}cgroupRoot: ${groupOf(name)}\nmaxPods: ${PODS_MAX}\n`);
  return file;
}

async function joinOurs(machines: Machines, plane: Machine): Promise<void> {
  const machine = await machines.add(OURS);
  await r2k(machine, ...(await joinWords(plane)), "--config", configOf(machines, machine));
  await connect(plane, machine, "10.250.1.0/24");
}

async function joinUpstream(machines: Machines, plane: Machine): Promise<void> {
  const machine = await machines.add(UPSTREAM);
  const programs = { kubelet: "upstream", runtime: "containerd", archives: [ARCHIVE] } as const;
  const made = await KubeadmMachine.prepare(machine, programs);
  appendFileSync(join(made.patches, "kubeletconfiguration+merge.yaml"), `maxPods: ${PODS_MAX}\n`);
  const words = ["kubeadm", ...(await joinWords(plane))].join(" ");
  const ignored = "--ignore-preflight-errors=SystemVerification";
  await made.shell(`${words} ${ignored} --cri-socket ${made.socket} --patches ${made.patches}`);
  await connect(plane, machine, "10.250.2.0/24");
}

/** Gives the node its network, and its agents a group, once it is Ready. */
async function connect(plane: Machine, machine: Machine, subnet: string): Promise<void> {
  await must(
    machine.host,
    "mkdir -p /etc/cni/net.d; cp /usr/lib/cni/* /opt/cni/bin; cat > /etc/cni/net.d/00-bench.conflist",
    networkOf(subnet),
  );
  await ready(plane, machine.name);
  const group = agentsOf(machine.name);
  openCgroups().create(group);
  const isPlaced = (pid: number) => readIfThere(`/proc/${pid}/cgroup`).includes(groupOf(""));
  const place = (pid: number) => writeFileSync(`${ACCOUNTS}${group}/cgroup.procs`, String(pid));
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const others = within(machine).filter((pid) => !isPlaced(pid));
    if (others.length === 0) break;
    for (const pid of others) tolerateSync(() => place(pid), errno("ENOENT", "ESRCH"));
  }
}

/** Starts the load where the API server is reached; the result runs one on a node. */
function startLoad(plane: Machine): (load: Load) => Promise<Times> {
  const program = join(import.meta.dirname, "node/load.ts");
  const child = plane.host.start(process.execPath, [program, ADMIN]);
  child.stderr!.pipe(process.stderr);
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  const cpu_ms = (name: string) => openCgroups().usage(agentsOf(name))!.cpu_ns / 1e6;
  const taken = async ({ node: name, pods }: Load): Promise<Taken> => {
    const before_ms = cpu_ms(name);
    const { value, done } = await lines.next();
    if (done) throw new Error(`the load of ${pods} pods on ${name} ended`);
    return { wall: Number(value), cpu: cpu_ms(name) - before_ms };
  };
  return async (load) => {
    child.stdin!.write(`${JSON.stringify(load)}\n`);
    const ready = await taken(load);
    const memory = memoryOf(load.node);
    child.stdin!.write("\n");
    const times = { ready, memory, gone: await taken(load) };
    note(`${load.node}, pods: ${load.pods}: ${JSON.stringify(times)}`);
    return times;
  };
}

/** MiB that the agents of a node have, what they share with others in equal parts. */
function memoryOf(name: string): number {
  const found = pidsBelow(`${ACCOUNTS}${agentsOf(name)}`).map((pid) =>
    tolerateSync(() => pss_mib(pid), errno("ENOENT", "ESRCH")),
  );
  return found.reduce<number>((total, each) => total + (each ?? 0), 0);
}

type Found = Readonly<Record<string, readonly Times[]>>;

function rowsOfOne(found: Found): Row[] {
  const row = (what: string, share: number, of: (times: Times) => number, goal: string): Row => ({
    what,
    unit: "ms",
    ours: quantile(found[OURS]!.map(of), share),
    peer: { name: PEER, value: quantile(found[UPSTREAM]!.map(of), share) },
    goal,
  });
  return [
    row("one pod, create to Ready, p50", 0.5, ({ ready }) => ready.wall, "<= 1x"),
    row("one pod, create to Ready, p90", 0.9, ({ ready }) => ready.wall, "print"),
    row("one pod, delete to gone, p50", 0.5, ({ gone }) => gone.wall, "print"),
    row("one pod, CPU time of kubelet and runtime, p50", 0.5, bothCpu, "print"),
  ];
}

function rowsOfAll(found: Found, pods: number): Row[] {
  const row = (what: string, of: (times: Times) => number, goal: string, unit = "s"): Row => {
    const [ours, theirs] = [OURS, UPSTREAM].map((name) =>
      found[name]!.map((each) => of(each) / (unit === "s" ? 1e3 : 1)),
    );
    return {
      what: `${pods} pods at the same time, ${what}`,
      unit,
      ours: median(ours!),
      peer: { name: PEER, value: median(theirs!) },
      goal,
      ranges: { ours: rangeOf(ours!), peer: rangeOf(theirs!) },
    };
  };
  return [
    row("first create to last Ready", ({ ready }) => ready.wall, "<= 0.6x"),
    row("CPU time of kubelet and runtime until then", ({ ready }) => ready.cpu, "print"),
    row("first delete to last gone", ({ gone }) => gone.wall, "print"),
    row("CPU time of kubelet and runtime, both", bothCpu, "print"),
    row(
      "memory of kubelet and runtime",
      ({ memory }) => memory,
      `<= ${memoryMax(pods)} MiB`,
      "MiB",
    ),
  ];
}

/** MiB that kubelet and runtime may have: 60, and 0.3 for each pod. */
const memoryMax = (pods: number) => Math.round(60 + 0.3 * pods);

const bothCpu = ({ ready, gone }: Times) => ready.cpu + gone.cpu;
