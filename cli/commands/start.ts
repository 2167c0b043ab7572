import { systemClock } from "@raft2kube/std/clock.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { Command, Option } from "commander";
import { bringUp } from "../cluster/bring-up.ts";
import {
  type ClusterConfig,
  checkClusterName,
  clusterRoots,
  planCluster,
  readCluster,
} from "../cluster/config.ts";
import { clusterFiles } from "../cluster/identities.ts";
import { mergeKubeconfig } from "../cluster/merge-kubeconfig.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import { describe, preflight } from "../preflight/preflight.ts";
import { installMissing } from "../preflight/programs.ts";
import { endProcess } from "../host/end-process.ts";
import { removeFromHost } from "../host/remove.ts";
import { PROCESS_NAMES, runningPid } from "../supervisor/supervise.ts";
import { CommandError, type Progress, terminalProgress } from "../terminal.ts";
import { nextSteps } from "./next-steps.ts";

const PORT_MAX = 65_535;
const SECONDS_MAX = 3_600;
const MASK_BITS_MIN = 16;
const MASK_BITS_MAX = 30;

interface StartFlags {
  name: string;
  demo: boolean;
  foreground?: boolean;
  mergeKubeconfig?: boolean;
  etcdServers?: string;
  newStore?: boolean;
  apiPort?: string;
  cniBinDir?: string;
  proxyMode?: ModeName;
  nodeCidrMaskSize?: string;
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
    .option("--new-store", "begin with an empty store in the place of one that was lost")
    .option("--api-port <port>", "the API's port (new or stopped clusters; default 6443)")
    .option("--cni-bin-dir <dir>", "use these CNI plugins instead of ours (new clusters)")
    .addOption(
      new Option("--proxy-mode <mode>", "kind of Service rules (new or stopped clusters)")
        .choices(MODE_NAMES),
    )
    .option("--node-cidr-mask-size <bits>", "a node's part of the pod range (new; default 24)")
    .option("--ready-timeout <seconds>", "how long the node may take to be Ready", "30")
    .option("-o, --output <format>", "json: print one JSON object at the end")
    .action((flags: StartFlags) => start(flags));
}

async function start(flags: StartFlags): Promise<void> {
  const clock = systemClock();
  const start_ms = clock.monotonic();
  const progress = terminalProgress(clock);
  const roots = clusterRoots(process.env);
  const name = checkClusterName(flags.name);
  const existing = await readCluster(name, roots);
  const choices = newClusterChoices(flags);
  const planned = existing ?? (await planCluster(name, roots, choices));
  const { proxyMode = planned.proxyMode } = flags;
  const config = {
    ...planned,
    apiPort: choices?.apiPort ?? planned.apiPort,
    ...(proxyMode === undefined ? {} : { proxyMode }),
  };
  const running = existing !== undefined && isRunning(existing);
  refuseChangedChoices(flags, existing);
  if (config.apiPort !== planned.apiPort) {
    refuseRunning(config, `--api-port ${config.apiPort} cannot change its port`);
  }
  if (existing && config.proxyMode !== planned.proxyMode) {
    refuseRunning(config, `--proxy-mode ${config.proxyMode} cannot change its rules`);
  }
  if (running) progress.note(`The cluster "${name}" is running.`);
  else await bringUpNew(config, !existing, flags, progress);
  if (flags.mergeKubeconfig) await mergeKubeconfig(clusterFiles(config).kubeconfig("admin"));
  print(flags, config, running ? 0 : (clock.monotonic() - start_ms) / 1000);
  if (flags.foreground) await stayUntilInterrupted(config, progress);
}

/** Starts the cluster; Ctrl-C stops it again and exits with code 130. */
async function bringUpNew(
  planned: ClusterConfig,
  isNew: boolean,
  flags: StartFlags,
  progress: Progress,
): Promise<void> {
  await endRestarting(planned);
  await prepareMachine(planned, progress);
  // Of this start, not of the first: the same cluster can be started as another user.
  const config = { ...planned, cgroups: await cgroupModeHere() };
  const readyTimeout_ms = positive("--ready-timeout", flags.readyTimeout) * 1000;
  const stop = onInterrupt();
  const { signal } = stop;
  const { demo, newStore = false } = flags;
  const clock = systemClock();
  try {
    await bringUp({ config, isNew, newStore, demo, clock, progress, signal, readyTimeout_ms });
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
    throw new CommandError("INTERRUPTED", "interrupted; what this start made is removed again", {
      exitCode: 130,
    });
  } finally {
    stop.release();
  }
}

/** Ends what a supervisor is about to start again, or has just started: this start does it. */
async function endRestarting(config: ClusterConfig): Promise<void> {
  for (const name of PROCESS_NAMES) {
    if (runningPid(config.runDir, name) !== undefined) continue;
    await endProcess(config, name, systemClock());
  }
}

async function stayUntilInterrupted(config: ClusterConfig, progress: Progress): Promise<void> {
  await interrupted();
  progress.note("Taking the cluster down ...");
  await removeFromHost(config, systemClock());
}

function newClusterChoices(flags: StartFlags): Parameters<typeof planCluster>[2] {
  const { etcdServers, apiPort, cniBinDir, nodeCidrMaskSize: mask } = flags;
  const port = apiPort === undefined ? undefined : positive("--api-port", apiPort, PORT_MAX);
  return {
    ...(etcdServers === undefined ? {} : { etcdServers }),
    ...(port === undefined ? {} : { apiPort: port }),
    ...(cniBinDir === undefined ? {} : { cniBinDir }),
    ...(mask === undefined ? {} : { nodeCidrMaskSize: maskSize(mask) }),
  };
}

/** Of a range of /16: at least a network of four addresses, as upstream's 2^16 parts allow. */
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

function refuseChangedChoices(flags: StartFlags, existing: ClusterConfig | undefined): void {
  if (!existing) return;
  const changed = [
    flags.etcdServers !== undefined && flags.etcdServers !== existing.etcdServers,
    flags.cniBinDir !== undefined && flags.cniBinDir !== existing.cniBinDir,
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

function refuseRunning({ name, runDir }: ClusterConfig, why: string): void {
  if (runningPid(runDir, "control") === undefined) return;
  const what = `"${name}" is running; ${why} now`;
  const remedy = `r2k down --name ${name}, then start it with this flag`;
  throw new CommandError("RUNNING", what, { remedy });
}

function isRunning(config: ClusterConfig): boolean {
  return PROCESS_NAMES.every((name) => runningPid(config.runDir, name) !== undefined);
}

async function prepareMachine(config: ClusterConfig, progress: Progress): Promise<void> {
  await installMissing(progress.note);
  const ranges = [config.serviceCidr, config.podCidr, `${config.hostAddress}/30`];
  // After a crash of the node alone, the port is held by the cluster's own control process.
  const portIsOurs = runningPid(config.runDir, "control") !== undefined;
  const apiPort = portIsOurs ? undefined : config.apiPort;
  const { dataDir, runDir } = config;
  const context = { dataDir, runDir, apiPort, ranges };
  const results = await progress.step("preflight", () => preflight(context));
  const warnings = results.filter((result) => result.finding.state === "warning");
  if (warnings.length > 0) progress.note(describe(warnings));
}

/** An abort signal for Ctrl-C and SIGTERM while it is not released. */
function onInterrupt(): { signal: AbortSignal; release(): void } {
  const abort = new AbortController();
  const stop = () => abort.abort();
  for (const name of ["SIGINT", "SIGTERM"]) process.on(name, stop);
  return {
    signal: abort.signal,
    release: () => {
      for (const name of ["SIGINT", "SIGTERM"]) process.off(name, stop);
    },
  };
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

function print(flags: StartFlags, config: ClusterConfig, took_s: number): void {
  const kubeconfig = clusterFiles(config).kubeconfig("admin");
  if (flags.output === "json") {
    const { name, apiPort, nodeName } = config;
    const server = `https://127.0.0.1:${apiPort}`;
    process.stdout.write(`${JSON.stringify({ name, kubeconfig, server, nodeName, took_s })}\n`);
  } else process.stdout.write(nextSteps(config, { kubeconfig, demo: flags.demo, took_s }));
}
