import { once } from "node:events";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { refuseUnjudged } from "../../labs/runner/parts.ts";
import { readState } from "../../labs/runner/state.ts";
import { endProcess } from "../apply/end-process.ts";
import { converge, convergeOrUndo } from "../converge.ts";
import { commandWith } from "../flags.ts";
import { lockForRemoval, lockNew, lockNodes } from "../locks/nodes.ts";
import { lockSlots } from "../locks/slots.ts";
import { hasControlPlane, isWhole, observe } from "../observe/cluster.ts";
import { runningPid } from "../observe/processes.ts";
import { checkStoreData } from "../observe/store-data.ts";
import { clusterFiles } from "../pki/identities.ts";
import { mergeKubeconfig } from "../pki/merge-kubeconfig.ts";
import { refuseEdit } from "../plan/refusals.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import { overlayHere } from "../preflight/overlay.ts";
import { ALL_CHECKS, describe, preflight } from "../preflight/preflight.ts";
import { INGRESS_PROGRAMS, installMissing, PROGRAMS } from "../preflight/programs.ts";
import { proxyModeCheck } from "../preflight/proxy-mode.ts";
import { replacedPartChecks } from "../preflight/replaced-parts.ts";
import { checkAuditPolicy } from "../process/audit.ts";
import { checkServed } from "../process/served-versions.ts";
import {
  type ClusterConfig,
  checkClusterName,
  clusterRoots,
  planCluster,
  proxyModeOf,
  readCluster,
} from "../spec/config.ts";
import {
  joiningNodeNames,
  NFS_NODE,
  nodeRange,
  readJoiningNodes,
  wantedNodes,
} from "../spec/nodes.ts";
import { allProcesses, apiProcess } from "../spec/processes.ts";
import type { WantedNode } from "../spec/spec.ts";
import { hasOtherParts, OWN_PARTS, runningOwnParts } from "../supervisor/own-parts.ts";
import { type Progress, quietProgress, terminalProgress } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import { nextSteps, type Took, timeTaken } from "./next-steps.ts";
import { nfsServerGuest } from "./nfs-demo.ts";
import { onInterrupt } from "./on-interrupt.ts";
import {
  choicesOf,
  nodeCount,
  readyTimeout_ms,
  START_FLAGS,
  type StartFlags,
} from "./start-flags.ts";
import { ownPartsText } from "./status.ts";

export const command = () =>
  commandWith(
    "start",
    "Bring up a cluster and a demo, and return; the cluster keeps running.",
    START_FLAGS,
    start,
  );

async function start(flags: StartFlags): Promise<void> {
  const clock = systemClock();
  const progress = terminalProgress(clock);
  const roots = clusterRoots(process.env);
  const name = checkClusterName(flags.name);
  const known = await readCluster(name, roots);
  await using slots = known ? undefined : await lockSlots(roots, clock);
  const found = known ?? (await readCluster(name, roots));
  if (found) await slots?.release(); // another start made it meanwhile
  // A new cluster's folder is made later, and its lock with it.
  using locks = new DisposableStack();
  if (found) locks.use(await lockNodes(found, clock, progress));
  // Another call may have changed it, or removed it, until the lock was free.
  const existing = found && (await clusterOf(name));
  if (existing) await endWithOtherParts(existing, progress);
  const edit = await editOf(name, existing, flags);
  const { wanted, runs } = edit;
  let packages_ms: number | undefined;
  if (existing && runs) await changeRunning(existing, edit, flags, progress);
  else {
    await endRestarting(edit);
    packages_ms = await prepareMachine(wanted, progress);
    if (existing === undefined) locks.use(await lockNew(wanted, clock, progress));
    await bringUp(edit, flags, progress, async () => slots?.release());
  }
  const own = runningOwnParts(wanted);
  if (own.length > 0) progress.note(`It runs ${ownPartsText(own)}.`);
  if (flags.mergeKubeconfig) await mergeKubeconfig(clusterFiles(wanted).kubeconfig("admin"));
  const now = { uptime_s: process.uptime(), env: process.env };
  // From before it is said that the cluster is up: who reads that may interrupt then.
  using interrupt = flags.foreground ? onInterrupt() : undefined;
  print(flags, wanted, packages_ms === undefined ? undefined : timeTaken(packages_ms, now));
  locks.dispose();
  if (interrupt) await stayUntil(interrupt, wanted, progress);
}

/** The configurations that the flags ask for, of the cluster and of its nodes beside the first. */
interface StartEdit {
  readonly wanted: ClusterConfig;
  readonly nodes: readonly ClusterConfig[];
  /** Whether the cluster runs: then only the flags' changes of its nodes are made. */
  readonly runs: boolean;
  readonly readyTimeout_ms: number;
}

/** Applies the flags to the configuration. Throws CommandError for what cannot be changed now. */
async function editOf(
  name: string,
  existing: ClusterConfig | undefined,
  flags: StartFlags,
): Promise<StartEdit> {
  const choices = choicesOf(flags);
  const planned = existing ?? (await planNew(name, choices));
  const { proxyMode, byHand } = flags;
  const { apiPort, nodeMonitorGracePeriod_ms, auditPolicyFile, traces, runtimeConfig, registries } =
    choices;
  await checkAuditPolicy(auditPolicyFile);
  await checkServed(runtimeConfig);
  const changes = given({
    proxyMode,
    byHand,
    apiPort,
    nodeMonitorGracePeriod_ms,
    auditPolicyFile,
    traces,
    runtimeConfig,
    registries,
  });
  const config = { ...planned, ...changes };
  const seen = await observe(config);
  const isComplete = existing !== undefined && isWhole(seen, existing);
  const runs =
    isComplete ||
    (proxyMode !== undefined && existing !== undefined && hasControlPlane(seen, existing));
  const nfsServer = flags.nfsDemo ? await nfsServerGuest(config) : undefined;
  // Of a cluster that runs, nodes are started as they are: its mode is changed afterwards.
  const nodes = await wantedNodes(runs ? existing! : config, nodeCount(flags), nfsServer);
  // One that was stopped can be started beside nodes that run by then.
  const nfsDemo = [...nodes, ...(await readJoiningNodes(config))].some(
    ({ guest }) => guest?.nfsExport_MiB !== undefined,
  );
  const addsNfsServer = nfsDemo && !joiningNodeNames(config).includes(NFS_NODE);
  refuseEdit({ existing, wanted: config, choices, addsNfsServer, seen });
  const startsNodes = !isComplete || proxyModeOf(config) !== proxyModeOf(planned);
  if (startsNodes && OWN_PARTS.length > 0) refuseUnjudged(readState());
  return { wanted: { ...config, nfsDemo }, nodes, runs, readyTimeout_ms: readyTimeout_ms(flags) };
}

async function planNew(
  name: string,
  choices: ReturnType<typeof choicesOf>,
): Promise<ClusterConfig> {
  const overlay = choices.overlay ?? (await overlayHere());
  return planCluster(name, clusterRoots(process.env), { ...choices, overlay });
}

/** Starts the cluster; Ctrl-C removes again what this made, and exits with code 130. */
async function bringUp(
  edit: StartEdit,
  flags: StartFlags,
  progress: Progress,
  written: () => Promise<void>,
): Promise<void> {
  checkStoreData(edit.wanted, flags.newStore ?? false);
  // Of this start, not of the first: the same cluster can be started as another user.
  const cgroups = await cgroupModeHere();
  const cluster = { ...edit.wanted, cgroups };
  const { nfsDemo } = cluster;
  const nodes = edit.nodes.map((planned): WantedNode => {
    const node = { ...planned, ...(planned.guest ? {} : { cgroups }), nfsDemo };
    return { wanted: "started", node };
  });
  await installForIngress(flags, progress);
  using interrupt = onInterrupt();
  const { demo = true, dashboard } = flags;
  const more = given({ ingress: ingressOf(flags), dashboard });
  await convergeOrUndo(
    { wanted: "started", cluster, nodes, demo, ...more },
    {
      clock: systemClock(),
      progress,
      signal: interrupt.signal,
      readyTimeout_ms: edit.readyTimeout_ms,
      written,
    },
  );
}

/**
 * Ends the processes whose program has other parts of a reader's than this one, or other files of
 * them: this start brings them up again. Throws if a part is not what passed.
 */
async function endWithOtherParts(cluster: ClusterConfig, progress: Progress): Promise<void> {
  const nodes = await wantedNodes(cluster, 1);
  const other = allProcesses(cluster, nodes).filter(({ of, name }) => {
    return runningPid(of.runDir, name) !== undefined && hasOtherParts(of.runDir, name);
  });
  if (other.length === 0) return;
  if (OWN_PARTS.length > 0) refuseUnjudged(readState());
  const whose = OWN_PARTS.length > 0 ? ownPartsText(OWN_PARTS) : "the reference in every part";
  progress.note(`${other.map(({ title }) => title).join(", ")}: restarted, with ${whose}.`);
  for (const { of, name } of other) await endProcess(of, name, systemClock());
}

function ingressOf({ ingress, gateway }: StartFlags): "ingress" | "gateway" | undefined {
  return gateway ? "gateway" : ingress ? "ingress" : undefined;
}

/** Ends what a supervisor is about to start again, or has just started: this start does it. */
async function endRestarting({ wanted: cluster, nodes }: StartEdit): Promise<void> {
  for (const { of, name } of allProcesses(cluster, nodes)) {
    if (runningPid(of.runDir, name) === undefined) await endProcess(of, name, systemClock());
  }
}

async function stayUntil(
  interrupt: ReturnType<typeof onInterrupt>,
  config: ClusterConfig,
  progress: Progress,
): Promise<void> {
  const alive = setInterval(() => undefined, 1 << 30);
  if (!interrupt.signal.aborted) await once(interrupt.signal, "abort");
  clearInterval(alive);
  interrupt[Symbol.dispose](); // a second Ctrl-C ends the command
  progress.note("Taking the cluster down ...");
  const clock = systemClock();
  using _lock = await lockForRemoval(config, clock, progress);
  const spec = { wanted: "stopped", cluster: config, nodes: [] } as const;
  await converge(spec, { clock, progress: quietProgress(progress) });
}

/**
 * Starts the nodes of a running cluster that are missing, then changes the mode of all if the flags
 * name another. Its nodes are locked.
 */
async function changeRunning(
  cluster: ClusterConfig,
  edit: StartEdit,
  flags: StartFlags,
  progress: Progress,
): Promise<void> {
  progress.note(`The cluster "${cluster.name}" is running.`);
  await installForIngress(flags, progress);
  const { proxyMode } = flags;
  if (proxyMode !== undefined) {
    const { dataDir, runDir } = cluster;
    const context = { dataDir, runDir, apiPort: undefined, ranges: [], proxyMode };
    await preflight(context, [proxyModeCheck]);
  }
  const nodes = edit.nodes.map((node) => ({ wanted: "running", node }) as const);
  using interrupt = onInterrupt();
  const more = given({ proxyMode, ingress: ingressOf(flags), dashboard: flags.dashboard });
  await converge(
    { wanted: "kept", cluster, nodes, ...more },
    {
      clock: systemClock(),
      progress,
      signal: interrupt.signal,
      readyTimeout_ms: edit.readyTimeout_ms,
    },
  );
}

/** Returns how long the installation of missing packages took. */
async function prepareMachine(config: ClusterConfig, progress: Progress): Promise<number> {
  let packages_ms = 0;
  await installMissing(progress.note, PROGRAMS, async (install) => {
    const clock = systemClock();
    const start_ms = clock.monotonic();
    await install();
    packages_ms = clock.monotonic() - start_ms;
  });
  const ranges = [config.serviceCidr, config.podCidr, nodeRange(config)];
  // After a crash of the node alone, the port is held by the cluster's own control process.
  const portIsOurs = runningPid(config.runDir, apiProcess(config)) !== undefined;
  const apiPort = portIsOurs ? undefined : config.apiPort;
  const { dataDir, runDir, proxyMode } = config;
  const context = { dataDir, runDir, apiPort, ranges, ...given({ proxyMode }) };
  const checks = [...ALL_CHECKS, ...replacedPartChecks(config)];
  const results = await progress.step("preflight", () => preflight(context, checks));
  const warnings = results.filter((result) => result.finding.state === "warning");
  if (warnings.length > 0) progress.note(describe(warnings));
  return packages_ms;
}

async function installForIngress(flags: StartFlags, progress: Progress): Promise<void> {
  if (ingressOf(flags) !== undefined) await installMissing(progress.note, INGRESS_PROGRAMS);
}

function print(flags: StartFlags, config: ClusterConfig, took: Took | undefined): void {
  const kubeconfig = clusterFiles(config).kubeconfig("admin");
  if (flags.output === "json") {
    const { name, apiPort, nodeName } = config;
    const server = `https://127.0.0.1:${apiPort}`;
    const made = { name, kubeconfig, server, nodeName, took_s: 0, ...took };
    process.stdout.write(`${JSON.stringify(made)}\n`);
    return;
  }
  const { demo = true, nfsDemo = false } = flags;
  process.stdout.write(nextSteps(config, { kubeconfig, demo, nfsDemo, took }));
}
