import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { Command, Option } from "commander";
import { type BringUp, bringUp } from "../cluster/bring-up.ts";
import {
  type ClusterConfig,
  type GuestConfig,
  OVERLAY_BACKENDS,
  type OverlayBackend,
  checkClusterName,
  clusterRoots,
  planCluster,
  proxyModeOf,
  readCluster,
} from "../spec/config.ts";
import { clusterFiles } from "../pki/identities.ts";
import {
  joiningNodeNames, NFS_NODE, NODES_MAX, nodeRange, readJoiningNodes, wantedNodes,
} from "../spec/nodes.ts";
import { lockSlots } from "../locks/slots.ts";
import { STORE_MEMBERS_MAX } from "../spec/store.ts";
import { mergeKubeconfig } from "../pki/merge-kubeconfig.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import { overlayHere } from "../preflight/overlay.ts";
import { ALL_CHECKS, describe, preflight } from "../preflight/preflight.ts";
import { installMissing, PROGRAMS } from "../preflight/programs.ts";
import { replacedPartChecks } from "../preflight/replaced-parts.ts";
import { endProcess } from "../apply/end-process.ts";
import { removeFromHost } from "../apply/remove.ts";
import { processNames } from "../spec/processes.ts";
import { runningPid } from "../observe/processes.ts";
import { lockForRemoval, lockNodes, newNodes } from "../locks/nodes.ts";
import { nfsServerGuest } from "./nfs-demo.ts";
import { CommandError, type Progress, terminalProgress } from "../terminal.ts";
import { OWN_PARTS, runningOwnParts } from "../supervisor/own-parts.ts";
import { refuseUnjudged } from "../../labs/runner/parts.ts";
import { readState } from "../../labs/runner/state.ts";
import { canChangeMode, changeMode, checkMode, refuseModeInPart } from "./change-mode.ts";
import { clusterOf } from "./cluster-of.ts";
import { nextSteps, timeTaken, type Took } from "./next-steps.ts";
import { onInterrupt } from "./on-interrupt.ts";
import { adminClient, startNodes } from "./start-nodes.ts";
import { ownPartsText } from "./status.ts";

const PORT_MAX = 65_535;
const SECONDS_MAX = 3_600;
/** The kubelet renews its Lease four times within the grace period. */
const GRACE_MS_MIN = 4_000;
const MASK_BITS_MIN = 16;
const MASK_BITS_MAX = 30;

interface StartFlags {
  name: string;
  demo: boolean;
  foreground?: boolean;
  mergeKubeconfig?: boolean;
  etcdServers?: string;
  etcdCafile?: string;
  etcdCertfile?: string;
  etcdKeyfile?: string;
  storeMembers?: string;
  newStore?: boolean;
  apiPort?: string;
  cniBinDir?: string;
  proxyMode?: ModeName;
  byHand?: boolean;
  overlay?: OverlayBackend;
  nodeCidrMaskSize?: string;
  nodeMonitorGracePeriod?: string;
  nodes?: string;
  nfsDemo?: boolean;
  readyTimeout: string;
  output?: string;
}

export function command(): Command {
  return new Command("start")
    .description("Bring up a cluster and a demo, and return; the cluster keeps running.")
    .option("--name <name>", "the cluster's name; several can run side by side", "default")
    .option("--no-demo", "do not deploy examples/web.yaml")
    .option("--foreground", "stay; Ctrl-C then takes the cluster down")
    .option("--merge-kubeconfig", "add the cluster to ~/.kube/config")
    .option("--etcd-servers <urls>", "use this etcd instead of the own store (new clusters)")
    .option("--etcd-cafile <file>", "the CA of that etcd's certificate, PEM")
    .option("--etcd-certfile <file>", "client certificate for that etcd, PEM")
    .option("--etcd-keyfile <file>", "its key, PEM")
    .option("--store-members <count>", "processes of the own store: 1, 3 or 5 (new clusters)")
    .option("--new-store", "begin with an empty store in the place of one that was lost")
    .option("--api-port <port>", "the API's port (new or stopped clusters; default 6443)")
    .option("--cni-bin-dir <dir>", "use these CNI plugins instead of ours (new clusters)")
    .addOption(
      new Option("--proxy-mode <mode>", "kind of Service rules (also of a running cluster)")
        .choices(MODE_NAMES),
    )
    .option("--by-hand", "let pods choose our OCI runtime for learning (new or stopped clusters)")
    .option("--no-by-hand", "no longer let them")
    .addOption(
      new Option("--overlay <backend>", "how nodes reach others' pods (new clusters)")
        .choices(OVERLAY_BACKENDS),
    )
    .option("--node-cidr-mask-size <bits>", "a node's part of the pod range (new; default 24)")
    .option("--node-monitor-grace-period <duration>", "silence of a node that is lost (40s)")
    .option("--nodes <count>", "have at least so many nodes: node-2, node-3, ... join")
    .option("--nfs-demo", "have an NFS server, and nodes that mount it (new or stopped clusters)")
    .option("--ready-timeout <seconds>", "how long a node may take to be Ready", "30")
    .option("-o, --output <format>", "json: print one JSON object at the end")
    .action((flags: StartFlags) => start(flags));
}

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
  const choices = newClusterChoices(flags);
  const planned = existing ?? (await planNew(name, choices, flags));
  const { proxyMode = planned.proxyMode, byHand = planned.byHand } = flags;
  const config = {
    ...planned,
    ...changeable(choices),
    ...(proxyMode === undefined ? {} : { proxyMode }),
    ...(byHand === undefined ? {} : { byHand }),
  };
  const nfsServer = flags.nfsDemo ? await nfsServerGuest(config) : undefined;
  const joining = await wantedNodes(config, nodeCount(flags), nfsServer);
  // One that was stopped can be started beside nodes that run by then.
  const nodes = [...joining, ...(await readJoiningNodes(config))];
  const nfsDemo = nodes.some(({ guest }) => guest?.nfsExport_MiB !== undefined);
  const isWhole = existing !== undefined && isRunning(existing);
  const isChanging = flags.proxyMode !== undefined && existing !== undefined &&
    canChangeMode(existing);
  const running = isWhole || isChanging;
  refuseChangedChoices(flags, choices, existing);
  const startsNodes = !isWhole || proxyModeOf(config) !== proxyModeOf(planned);
  if (startsNodes && OWN_PARTS.length > 0) refuseUnjudged(readState());
  refuseChangesOfRunning(config, planned);
  if (!running && proxyModeOf(config) !== proxyModeOf(planned)) refuseModeInPart(config);
  if (nfsDemo && !joiningNodeNames(config).includes(NFS_NODE)) {
    refuseRunning(config, "--nfs-demo cannot add its server");
  }
  let packages_ms: number | undefined;
  if (running) await changeRunning(existing, nfsServer, flags, progress);
  else {
    const first = {
      made: async () => void locks.use(await lockNodes(config, clock, progress)),
      written: async () => slots?.release(),
    };
    const whole = { ...config, nfsDemo };
    packages_ms = await bringUpNew(whole, joining, existing ? undefined : first, flags, progress);
  }
  const own = runningOwnParts(config);
  if (own.length > 0) progress.note(`It runs ${ownPartsText(own)}.`);
  if (flags.mergeKubeconfig) await mergeKubeconfig(clusterFiles(config).kubeconfig("admin"));
  const now = { uptime_s: process.uptime(), env: process.env };
  print(flags, config, packages_ms === undefined ? undefined : timeTaken(packages_ms, now));
  locks.dispose();
  if (flags.foreground) await stayUntilInterrupted(config, progress);
}

async function planNew(
  name: string,
  choices: ReturnType<typeof newClusterChoices>,
  flags: StartFlags,
): Promise<ClusterConfig> {
  const overlay = flags.overlay ?? (await overlayHere());
  return planCluster(name, clusterRoots(process.env), { ...choices, overlay });
}

/**
 * Starts the cluster; Ctrl-C stops it again and exits with code 130. `first` is a new one's.
 * Returns how long the installation of Debian's packages took.
 */
async function bringUpNew(
  planned: ClusterConfig,
  plannedNodes: readonly ClusterConfig[],
  first: Required<Pick<BringUp, "made" | "written">> | undefined,
  flags: StartFlags,
  progress: Progress,
): Promise<number> {
  await endRestarting(planned, plannedNodes);
  const packages_ms = await prepareMachine(planned, progress);
  // Of this start, not of the first: the same cluster can be started as another user.
  const cgroups = await cgroupModeHere();
  const config = { ...planned, cgroups };
  const { nfsDemo = false } = config;
  const joining = plannedNodes.map((node) => {
    return { ...node, ...(node.guest ? {} : { cgroups }), nfsDemo };
  });
  const readyTimeout_ms = positive("--ready-timeout", flags.readyTimeout) * 1000;
  const stop = onInterrupt();
  const { signal } = stop;
  const { demo, newStore = false } = flags;
  const clock = systemClock();
  try {
    const context = { clock, progress, signal, readyTimeout_ms };
    const isNew = first !== undefined;
    await bringUp({ config, joining, isNew, newStore, demo, ...first, ...context });
  } finally {
    stop.release();
  }
  return packages_ms;
}

/** Ends what a supervisor is about to start again, or has just started: this start does it. */
async function endRestarting(
  config: ClusterConfig,
  joining: readonly ClusterConfig[],
): Promise<void> {
  for (const { of, name } of processesOf(config, joining)) {
    if (runningPid(of.runDir, name) !== undefined) continue;
    await endProcess(of, name, systemClock());
  }
}

async function stayUntilInterrupted(config: ClusterConfig, progress: Progress): Promise<void> {
  await interrupted();
  progress.note("Taking the cluster down ...");
  using _lock = await lockForRemoval(config, systemClock(), progress);
  await removeFromHost(config, systemClock());
}

function newClusterChoices(flags: StartFlags): Parameters<typeof planCluster>[2] {
  const { etcdServers, storeMembers, apiPort, cniBinDir, nodeCidrMaskSize: mask } = flags;
  const members = storeMembers === undefined ? undefined : memberCount(storeMembers, etcdServers);
  const grace = flags.nodeMonitorGracePeriod;
  const port = apiPort === undefined ? undefined : positive("--api-port", apiPort, PORT_MAX);
  return {
    ...(etcdServers === undefined ? {} : { etcdServers }),
    ...etcdFiles(flags),
    ...(members === undefined || members === 1 ? {} : { storeMembers: members }),
    ...(port === undefined ? {} : { apiPort: port }),
    ...(cniBinDir === undefined ? {} : { cniBinDir: resolve(cniBinDir) }),
    ...(mask === undefined ? {} : { nodeCidrMaskSize: maskSize(mask) }),
    ...(grace === undefined ? {} : { nodeMonitorGracePeriod_ms: gracePeriod_ms(grace) }),
  };
}

/** The processes of a cluster have another working directory than this command. */
function etcdFiles(flags: StartFlags) {
  const { etcdServers, etcdCafile: ca, etcdCertfile: cert, etcdKeyfile: key } = flags;
  const files = {
    ...(ca && { ca: resolve(ca) }),
    ...(cert && { cert: resolve(cert) }),
    ...(key && { key: resolve(key) }),
  };
  if (Object.keys(files).length === 0) return {};
  if (etcdServers !== undefined) return { etcdFiles: files };
  throw new CommandError("BAD_FLAG", "--etcd-cafile and the like are of no use alone", {
    remedy: "name the etcd too: --etcd-servers URL",
  });
}

/** Returns the settings that a start may change in a cluster that exists. */
function changeable(choices: ReturnType<typeof newClusterChoices> = {}) {
  const { apiPort, nodeMonitorGracePeriod_ms: grace_ms } = choices;
  return {
    ...(apiPort === undefined ? {} : { apiPort }),
    ...(grace_ms === undefined ? {} : { nodeMonitorGracePeriod_ms: grace_ms }),
  };
}

/** Long enough for a kubelet to renew its Lease several times. */
function gracePeriod_ms(text: string): number {
  const parsed_ns = parseDuration(text);
  const value_ms = parsed_ns === undefined ? 0 : Number(parsed_ns / 1_000_000n);
  if (value_ms >= GRACE_MS_MIN) return value_ms;
  throw new CommandError("BAD_FLAG", `--node-monitor-grace-period ${text} is not usable`, {
    remedy: `a duration of at least ${GRACE_MS_MIN / 1000}s, such as 40s`,
  });
}

function nodeCount({ nodes }: StartFlags): number {
  return nodes === undefined ? 1 : positive("--nodes", nodes, NODES_MAX);
}

/** An even count tolerates no more failures than the odd one below it. */
function memberCount(text: string, etcdServers: string | undefined): number {
  if (etcdServers !== undefined) {
    throw new CommandError("BAD_FLAG", "--store-members is of no use with --etcd-servers", {
      remedy: "leave one of them out",
    });
  }
  const value = Number(text);
  if ([1, 3, STORE_MEMBERS_MAX].includes(value)) return value;
  throw new CommandError("BAD_FLAG", `--store-members ${text} is not usable`, {
    remedy: `1, 3 or ${STORE_MEMBERS_MAX}`,
  });
}

/** Mask of the nodes' parts of a /16: at least four addresses, as upstream's 2^16 parts allow. */
function maskSize(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= MASK_BITS_MIN && value <= MASK_BITS_MAX) return value;
  throw new CommandError("BAD_FLAG", `--node-cidr-mask-size ${text} is not usable`, {
    remedy: `a whole number from ${MASK_BITS_MIN} to ${MASK_BITS_MAX}`,
  });
}

/** A flag's whole number from 1 to `most`; throws naming the flag otherwise. */
function positive(flag: string, text: string, most = SECONDS_MAX): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0 && value <= most) return value;
  throw new CommandError("BAD_FLAG", `${flag} ${text} is not usable`, {
    remedy: `a whole number from 1 to ${most}`,
  });
}

function refuseChangedChoices(
  flags: StartFlags,
  { etcdFiles: files, cniBinDir }: ReturnType<typeof newClusterChoices> = {},
  existing: ClusterConfig | undefined,
): void {
  if (!existing) return;
  const changed = [
    flags.etcdServers !== undefined && flags.etcdServers !== existing.etcdServers,
    files !== undefined && !isDeepStrictEqual(files, existing.etcdFiles),
    flags.storeMembers !== undefined &&
      Number(flags.storeMembers) !== (existing.storeMembers ?? 1),
    cniBinDir !== undefined && cniBinDir !== existing.cniBinDir,
    flags.overlay !== undefined && flags.overlay !== existing.overlay,
    flags.nodeCidrMaskSize !== undefined &&
      Number(flags.nodeCidrMaskSize) !== existing.nodeCidrMaskSize,
  ];
  if (!changed.includes(true)) return;
  throw new CommandError(
    "FIXED",
    `"${existing.name}" exists; its store, plugins and ranges cannot change`,
    {
      remedy: `r2k down --purge --name ${existing.name} first, or start without these flags`,
    },
  );
}

/** Refuses settings that a start may change, but not while the cluster runs. */
function refuseChangesOfRunning(config: ClusterConfig, planned: ClusterConfig): void {
  const { apiPort, byHand = false, nodeMonitorGracePeriod_ms: grace_ms } = config;
  if (apiPort !== planned.apiPort) {
    refuseRunning(config, `--api-port ${apiPort} cannot change its port`);
  }
  if (byHand !== (planned.byHand ?? false)) {
    refuseRunning(config, "the runtimes that pods may choose cannot change (--by-hand)");
  }
  if (grace_ms !== planned.nodeMonitorGracePeriod_ms) {
    refuseRunning(config, "--node-monitor-grace-period cannot change");
  }
}

function refuseRunning({ name, runDir }: ClusterConfig, why: string): void {
  if (runningPid(runDir, "control") === undefined) return;
  const what = `"${name}" is running; ${why} now`;
  const remedy = `r2k down --name ${name}, then start it with this flag`;
  throw new CommandError("RUNNING", what, { remedy });
}

function isRunning(config: ClusterConfig): boolean {
  return processNames(config).every((name) => runningPid(config.runDir, name) !== undefined);
}

/**
 * Starts the nodes of a running cluster that are missing, then changes the mode of all if the flags
 * name another. Its nodes are locked.
 */
async function changeRunning(
  existing: ClusterConfig,
  nfsServer: GuestConfig | undefined,
  flags: StartFlags,
  progress: Progress,
): Promise<void> {
  progress.note(`The cluster "${existing.name}" is running.`);
  const clock = systemClock();
  const readyTimeout_ms = positive("--ready-timeout", flags.readyTimeout) * 1000;
  const options = { clock, progress, readyTimeout_ms };
  const { proxyMode } = flags;
  if (proxyMode !== undefined) await checkMode(existing, proxyMode);
  const joining = await wantedNodes(existing, nodeCount(flags), nfsServer);
  const missing = joining.filter((node) => runningPid(node.runDir, "node") === undefined);
  if (missing.length > 0) {
    const client = await adminClient(existing, clock);
    try {
      await newNodes(client, missing);
    } finally {
      client.close();
    }
    await startNodes(existing, missing, options);
  }
  if (proxyMode !== undefined) await changeMode(existing, proxyMode, options);
}

/** The processes that a cluster has when its nodes that joined are `joining`. */
function processesOf(config: ClusterConfig, joining: readonly ClusterConfig[]) {
  return [
    ...processNames(config).map((name) => ({ of: config, name })),
    ...joining.map((of) => ({ of, name: "node" as const })),
  ];
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
  const portIsOurs = runningPid(config.runDir, "control") !== undefined;
  const apiPort = portIsOurs ? undefined : config.apiPort;
  const { dataDir, runDir, proxyMode } = config;
  const context = { dataDir, runDir, apiPort, ranges, ...(proxyMode ? { proxyMode } : {}) };
  const checks = [...ALL_CHECKS, ...replacedPartChecks(config)];
  const results = await progress.step("preflight", () => preflight(context, checks));
  const warnings = results.filter((result) => result.finding.state === "warning");
  if (warnings.length > 0) progress.note(describe(warnings));
  return packages_ms;
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    const alive = setInterval(() => undefined, 1 << 30);
    const { signal, release } = onInterrupt();
    signal.addEventListener("abort", () => {
      clearInterval(alive);
      release();
      resolve();
    });
  });
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
  const { demo, nfsDemo = false } = flags;
  process.stdout.write(nextSteps(config, { kubeconfig, demo, nfsDemo, took }));
}
