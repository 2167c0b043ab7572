import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import { parse } from "yaml";
import { type Machine, Machines, must } from "../test/e2e/machines/machine.ts";
import { peer, pss_mib } from "./apiserver/sides.ts";
import { median, type Row } from "./benchmark.ts";
import { idleMemory, sum } from "./start.ts";

const RUNS = 3;
const SETTLE_MS = 60_000;
const TIMEOUT_MS = 180_000;
const CONTROL_PLANES = 3;
const WORKERS = 2;
const NAMES = ["cp-1", "worker-1", "cp-2", "cp-3", "worker-2"];
const INIT_GOAL_S = 8;
const JOIN_GOAL_S = 4;
const ONE_PROCESS_GOAL_MIB = 600;
const STATIC_PODS_GOAL_MIB = 1_000;
const ADMIN = "/etc/kubernetes/admin.conf";
const MANIFESTS = "/etc/kubernetes/manifests";
/** The components are started in this order. */
const COMPONENTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const PEER = "four programs of Go";

/**
 * `init` and `join` on machines, namespaces of this one, and memory of a cluster of machines; and
 * upstream's four programs, with the flags of the static pods that `init` writes.
 */
export async function cluster(): Promise<Row[]> {
  const programs = COMPONENTS.map(peer);
  const oneProcess = sum(
    await idleMemory("--control-planes", `${CONTROL_PLANES}`, "--nodes", `${WORKERS}`),
  );
  const machines = await Machines.create();
  try {
    return [
      ...(await measured(machines, programs)),
      {
        what: `memory of ${CONTROL_PLANES} one-process control planes and ${WORKERS} workers`,
        unit: "MiB",
        ours: oneProcess,
        goal: `<= ${ONE_PROCESS_GOAL_MIB} MiB`,
      },
    ];
  } finally {
    await machines.close();
  }
}

async function measured(machines: Machines, programs: readonly string[]): Promise<Row[]> {
  const group = `/r2k/bench-${process.pid}`;
  const configOf = (machine: Machine) => {
    const file = join(machines.dir, `${machine.name}.yaml`);
    writeFileSync(
      file,
      "apiVersion: kubelet.config.k8s.io/v1beta1\n" +
        `kind: KubeletConfiguration\ncgroupRoot: ${group}-${machine.name}\n`,
    );
    return file;
  };
  const all: Machine[] = [];
  for (const name of NAMES) all.push(await machines.add(name));
  const [first, ...others] = all as [Machine, ...Machine[]];
  const { init_s, join_s, certificateKey } = await rounds(first, others[0]!, configOf);
  const theirs = await upstream(machines, programs);
  await delay(systemClock(), SETTLE_MS);
  const single = memoryOf(within(first), OURS);
  for (const [index, machine] of others.slice(1).entries()) {
    const asControlPlane = index < CONTROL_PLANES - 1;
    const more = asControlPlane ? ["--control-plane", "--certificate-key", certificateKey] : [];
    note(`${machine.name} joins`);
    await r2k(machine, ...(await joinWords(first)), ...more, "--config", configOf(machine));
    await ready(first, machine.name);
  }
  note(`waiting ${SETTLE_MS / 1000} s for the idle cluster to settle`);
  await delay(systemClock(), SETTLE_MS);
  const whole = all.reduce((total, machine) => total + memoryOf(within(machine)), 0);
  for (const machine of all.toReversed()) await r2k(machine, "reset", "--force");
  return [
    {
      what: "init to Ready, images there",
      unit: "s",
      ours: median(init_s),
      peer: { name: `${PEER} to /readyz, without a kubelet`, value: theirs.ready_s },
      goal: `<= ${INIT_GOAL_S} s`,
    },
    { what: "join to Ready", unit: "s", ours: median(join_s), goal: `<= ${JOIN_GOAL_S} s` },
    {
      what: "memory of the four components of one control plane",
      unit: "MiB",
      ours: single,
      peer: { name: PEER, value: theirs.pss_mib },
      goal: "<= 1x",
    },
    {
      what: `memory of ${CONTROL_PLANES} control planes of static pods and ${WORKERS} workers`,
      unit: "MiB",
      ours: whole,
      goal: `<= ${STATIC_PODS_GOAL_MIB} MiB`,
    },
  ];
}

/** Times RUNS rounds of init and join; the last one's two machines stay a cluster. */
async function rounds(first: Machine, second: Machine, configOf: (machine: Machine) => string) {
  const init = [
    "init",
    "--config",
    configOf(first),
    "--control-plane-endpoint",
    `${first.address}:6443`,
    "--upload-certs",
  ];
  const init_s: number[] = [];
  const join_s: number[] = [];
  let certificateKey = "";
  for (let run = 1; run <= RUNS; run++) {
    note(`init, round ${run} of ${RUNS}`);
    let out = "";
    init_s.push(
      await timed_s(async () => {
        out = await r2k(first, ...init);
        await ready(first, first.name);
      }),
    );
    certificateKey = /--certificate-key (\w{64})/.exec(out)![1]!;
    const words = await joinWords(first);
    join_s.push(
      await timed_s(async () => {
        await r2k(second, ...words, "--config", configOf(second));
        await ready(first, second.name);
      }),
    );
    if (run === RUNS) break;
    for (const machine of [second, first]) await r2k(machine, "reset", "--force");
  }
  return { init_s, join_s, certificateKey };
}

/** Our components' processes: Node with a program of this name. */
const OURS = new RegExp(` /usr/local/bin/(${COMPONENTS.join("|")}) `);

/** Upstream's programs on a machine whose certificates and manifests `init` made. */
async function upstream(
  machines: Machines,
  programs: readonly string[],
): Promise<{ ready_s: number; pss_mib: number }> {
  const machine = await machines.add("go-1");
  for (const phase of ["certs", "kubeconfig", "etcd", "control-plane"]) {
    await r2k(machine, "init", "phase", phase);
  }
  await must(machine.host, "mkdir -p /var/lib/etcd");
  note("upstream's control plane starts");
  const commands = await Promise.all(
    programs.map(async (program) => {
      const text = await must(machine.host, `cat ${MANIFESTS}/${basename(program)}.yaml`);
      const pod = parse(text) as { spec: { containers: [{ command: string[] }] } };
      return [program, ...pod.spec.containers[0].command.slice(1)];
    }),
  );
  const start = () =>
    commands.map(([program, ...args]) => {
      const child = machine.host.start(program!, args);
      for (const output of [child.stdout, child.stderr]) output?.resume();
      return child;
    });
  let children: ReturnType<typeof start> = [];
  const ready_s = await timed_s(async () => {
    children = start();
    await until("upstream's /readyz", async () => {
      const asked = await kubectl(machine, "get", "--raw", "/readyz");
      return asked.code === 0;
    });
  });
  await delay(systemClock(), SETTLE_MS);
  const memory_mib = memoryOf(processes().keys(), new RegExp(`^(${programs.join("|")}) `));
  for (const child of children) child.kill("SIGTERM");
  return { ready_s, pss_mib: memory_mib };
}

const kubectl = (machine: Machine, ...args: string[]) =>
  machine.host.run("kubectl", ["--kubeconfig", ADMIN, ...args]);

const until = (what: string, holds: () => Promise<boolean>) =>
  waitFor(what, holds, { clock: systemClock(), timeout_ms: TIMEOUT_MS, interval_ms: 50 });

export async function ready(first: Machine, name: string): Promise<void> {
  const path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
  await until(`${name} to be Ready`, async () => {
    return (await kubectl(first, "get", "node", name, "-o", path)).stdout === "True";
  });
}

export async function joinWords(first: Machine): Promise<string[]> {
  const printed = await r2k(first, "token", "create", "--print-join-command");
  return printed.trim().split(" ").slice(1);
}

export async function r2k(machine: Machine, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.host.r2k(args);
  if (code !== 0) throw new Error(`r2k ${args.join(" ")}: ${stdout}${stderr}`);
  return stdout;
}

async function timed_s(act: () => Promise<void>): Promise<number> {
  const start_ms = performance.now();
  await act();
  return (performance.now() - start_ms) / 1_000;
}

/** PSS of processes whose command matches, in MiB. */
function memoryOf(pids: Iterable<number>, command = /./): number {
  return [...pids]
    .filter((pid) => command.test(commandOf(pid)))
    .reduce((total, pid) => total + pss_mib(pid), 0);
}

/** The parents of all processes. */
function processes(): Map<number, number> {
  return new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => {
        const stat = readIfThere(`/proc/${pid}/stat`);
        return [Number(pid), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])];
      }),
  );
}

/** A machine's own processes, its containers' among them. */
export function within(machine: Machine): number[] {
  const parents = processes();
  const isWithin = (pid: number | undefined): boolean =>
    pid !== undefined && pid > 1 && (pid === machine.pid || isWithin(parents.get(pid)));
  return [...parents.keys()].filter(isWithin);
}

const commandOf = (pid: number) => readIfThere(`/proc/${pid}/cmdline`).replaceAll("\0", " ");

/** The text of a process's file; empty when the process has ended. */
export const readIfThere = (path: string) =>
  tolerateSync(() => readFileSync(path, "utf8"), errno("ENOENT", "ESRCH")) ?? "";

export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}
