import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { readEtcdTls, unreachableEtcd } from "../observe/etcd-servers.ts";
import { cgroups } from "../preflight/cgroups.ts";
import { tryListen } from "../preflight/machine.ts";
import { findProgram } from "../preflight/programs.ts";
import { CommandError } from "../terminal.ts";
import type { ClusterSection } from "./config/kubeadm.ts";
import type { MachineContext } from "./context.ts";
import { BOOTSTRAP_KUBECONFIG, KUBELET_KUBECONFIG, manifestPath, NODE_AGENT } from "./layout.ts";
import { CONTROL_PLANE, ONE_PROCESS, STATIC_PODS, type StaticPod } from "./static-pods.ts";

type Fault = string | false | undefined;

interface MachineCheck {
  readonly name: string;
  ask(): Promise<Fault>;
}

const CPUS_MIN = 2;
const MEMORY_MIB_MIN = 1700;
const FORWARDING = "/proc/sys/net/ipv4/ip_forward";

const check = (name: string, ask: MachineCheck["ask"]): MachineCheck => ({ name, ask });
const dashed = (path: string) => path.replaceAll("/", "-");

const port = (number: number) =>
  check(`Port-${number}`, async () => {
    const refused = await tryListen(number);
    return refused && `Port ${number} is in use: ${refused}`;
  });
const program = (name: string) =>
  check(`FileExisting-${name}`, async () => {
    return (await findProgram(name)) === undefined && `${name} not found in system path`;
  });
const absent = (path: string, name = dashed(path)) =>
  check(`FileAvailable-${name}`, async () => existsSync(path) && `${path} already exists`);
const empty = (path: string) =>
  check(`DirAvailable-${dashed(path)}`, async () => {
    return (await namesIn(path)).length > 0 && `${path} is not empty`;
  });

const COMMON: readonly MachineCheck[] = [
  check("IsPrivilegedUser", async () => process.getuid?.() !== 0 && "user is not running as root"),
  check(`FileContent-${dashed(FORWARDING)}`, async () => {
    const found = (await readFile(FORWARDING, "utf8")).trim();
    return found !== "1" && `${FORWARDING} contents are not set to 1`;
  }),
  ...["crun", "conmon", "catatonit", "nft", "ip", "mount"].map(program),
  check("SystemVerification", async () => {
    const finding = await cgroups.ask();
    return finding.state === "failed" && `${finding.detail}; ${finding.remedy}`;
  }),
  port(10_250),
];

const CAPACITY: readonly MachineCheck[] = [
  check("NumCPU", async () => {
    const found = availableParallelism();
    return found < CPUS_MIN && `the number of available CPUs ${found} is less than ${CPUS_MIN}`;
  }),
  check("Mem", async () => {
    const mib = Math.floor(totalmem() / (1 << 20));
    return mib < MEMORY_MIB_MIN && `${mib} MB are less than ${MEMORY_MIB_MIN} MB`;
  }),
];

/** The checks of a store on this machine, or of one that others run. */
export function storeChecks({ etcd: { local, external } }: ClusterSection): MachineCheck[] {
  if (external === undefined) {
    return [port(2379), port(2380), absent(manifestPath("etcd")), empty(local.dataDir)];
  }
  const { endpoints, caFile: ca, certFile: cert, keyFile: key } = external;
  return [
    check("ExternalEtcdVersion", async () => {
      const failures = await unreachableEtcd(endpoints, readEtcdTls(given({ ca, cert, key })));
      return failures.length > 0 && failures.join("; ");
    }),
  ];
}

/** Throws CommandError `MANIFEST` where components run in one process, or apart, already. */
export function requireNoOther(pods: readonly StaticPod[], pathOf = manifestPath): void {
  const isOther = (pod: StaticPod) => (pod === ONE_PROCESS) !== pods.includes(ONE_PROCESS);
  const other = STATIC_PODS.filter(isOther)
    .map(pathOf)
    .find((path) => existsSync(path));
  if (pods.length === 0 || other === undefined) return;
  const remedy = "give the gate OneProcessControlPlane as init had it, or remove that file first";
  throw new CommandError("MANIFEST", `${other} has the same components`, { remedy });
}

/**
 * The checks of `init`, or of a machine that joins; the latter knows only later which store its
 * cluster has.
 */
export function checksOf(context: MachineContext, as: "init" | "join"): MachineCheck[] {
  const { nodeName, cluster, bindPort } = context;
  const ofEach = [
    ...COMMON,
    check("Hostname", async () => {
      const isName = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/.test(nodeName);
      return !isName && `"${nodeName}" is no RFC 1123 name; --node-name gives another`;
    }),
  ];
  const ofControlPlane = [
    ...[bindPort, 10_259, 10_257].map(port),
    ...[...CONTROL_PLANE, ONE_PROCESS].map((pod) => absent(manifestPath(pod))),
  ];
  if (as === "join") {
    const kubeconfigs = [KUBELET_KUBECONFIG, BOOTSTRAP_KUBECONFIG].map((path) => absent(path));
    return [...ofEach, ...kubeconfigs, ...(context.join.controlPlane ? ofControlPlane : [])];
  }
  const netConf = absent(NODE_AGENT.netConf, "net-conf.json");
  return [...CAPACITY, ...ofEach, ...ofControlPlane, ...storeChecks(cluster), netConf];
}

/** Asks all checks. Throws CommandError `PREFLIGHT` with each that failed, by its name. */
export async function runPreflight(context: MachineContext, checks: MachineCheck[]): Promise<void> {
  const { ignored, note } = context;
  const results = await Promise.all(
    checks.map(async ({ name, ask }) => ({ name, fault: await ask().catch(messageOf) })),
  );
  const failed: string[] = [];
  for (const { name, fault } of results) {
    if (!fault) continue;
    const isIgnored = ignored.has("all") || ignored.has(name.toLowerCase());
    if (isIgnored) note(`\t[WARNING ${name}]: ${fault}`);
    else failed.push(`\t[ERROR ${name}]: ${fault}`);
  }
  if (failed.length === 0) return;
  const text = `[preflight] Some fatal errors occurred:\n${failed.join("\n")}`;
  throw new CommandError("PREFLIGHT", text, {
    remedy:
      "change what each line names; after an init or join that did not end: r2k reset; " +
      "--ignore-preflight-errors=NAME,... goes on in spite of a check",
    exitCode: 2,
  });
}
