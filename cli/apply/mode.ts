import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { askProxy, rulesApplied } from "../observe/node-proxy.ts";
import type { StepOf } from "../plan/step.ts";
import {
  type ClusterConfig,
  configPath,
  proxyModeOf,
  readConfigFile,
  writeCluster,
} from "../spec/config.ts";
import { logsCommand } from "../spec/processes.ts";
import { CommandError } from "../terminal.ts";
import type { Context, StartContext } from "./context.ts";
import { endProcess } from "./end-process.ts";
import { ensureProcess } from "./processes.ts";
import { nodeReady } from "./ready.ts";

/**
 * Changes the kind of Service rules of a node that runs: only its process is restarted, so
 * containers and the connections that the kernel translates continue.
 */
export function applyMode({ node, mode }: StepOf<"mode">, context: Context): Promise<void> {
  return context.step(`${mode} on node ${node.nodeName}`, async () => {
    return changeNodeMode(node, mode, actsBy(await context.client()), context);
  });
}

/** A guest keeps its mode. */
export async function applyGuestMode(
  { node: { nodeName, guest } }: StepOf<"guest-mode">,
  { progress }: Context,
): Promise<void> {
  progress.note(`  node ${nodeName} keeps ${guest?.proxyMode}: its containers are in the guest`);
}

/** Acts on a node's process by which its mode is changed. */
export interface NodeActs {
  readonly endProcess: typeof endProcess;
  readonly ensureProcess: typeof ensureProcess;
  readonly askProxy: typeof askProxy;
  nodeReady(node: ClusterConfig, context: StartContext): Promise<void>;
}

/** The acts on a real node; `client` reads its condition. */
function actsBy(client: KubeClient): NodeActs {
  const ready: NodeActs["nodeReady"] = (node, context) => nodeReady(client, node, context);
  return { endProcess, ensureProcess, askProxy, nodeReady: ready };
}

/**
 * Restarts a node's process in another mode, and waits until its rules are applied. If that fails
 * or the signal aborts, the node is put back into its former mode, and CommandError `MODE` is
 * thrown. A process that runs in the mode already is not restarted, only waited for.
 */
export async function changeNodeMode(
  node: ClusterConfig,
  mode: ModeName,
  acts: NodeActs,
  context: StartContext,
): Promise<void> {
  const { name, nodeName } = node;
  const former = proxyModeOf(node);
  try {
    await runIn(node, mode, acts, context);
  } catch (cause) {
    const why = `node ${nodeName} cannot serve Services by ${mode}: ${messageOf(cause)}`;
    const remedy = `its log: ${logsCommand(name, "node", node.joins && nodeName)}`;
    if (former === mode) {
      // As after a call that was killed: the mode before it is not known.
      const other = MODE_NAMES.find((one) => one !== mode);
      const again = `to serve by another mode: r2k start --proxy-mode ${other} --name ${name}`;
      throw new CommandError("MODE", why, { remedy: `${remedy}; ${again}`, cause });
    }
    try {
      // Not the signal of `context`: Ctrl-C would leave the node without a process.
      const { signal } = new AbortController();
      await runIn(node, former, acts, { ...context, signal });
    } catch (thrown) {
      const message = `${why}; nor by ${former} again: ${messageOf(thrown)}`;
      throw new CommandError("MODE", message, { remedy, cause });
    }
    const back = `to put the others back: r2k start --proxy-mode ${former} --name ${name}`;
    const message = `${why}; it does by ${former} again`;
    throw new CommandError("MODE", message, { remedy: `${remedy}; ${back}`, cause });
  }
}

/** The mode of the process that runs now; undefined if none answers. */
async function modeNow(node: ClusterConfig, { askProxy: ask }: NodeActs) {
  const state = await ask(node).catch(() => undefined);
  return state?.mode;
}

/** Makes a node's process run in a mode: it is restarted unless it does. */
async function runIn(
  node: ClusterConfig,
  mode: ModeName,
  acts: NodeActs,
  context: StartContext,
): Promise<void> {
  const changed = { ...node, proxyMode: mode };
  try {
    // Before the process ends: a write that fails, as on a full disk, leaves the node as it is.
    await configure(changed);
  } catch (thrown) {
    await acts.ensureProcess(node, "node", context);
    throw thrown;
  }
  if ((await modeNow(node, acts)) !== mode) await acts.endProcess(node, "node", context.clock);
  await acts.ensureProcess(changed, "node", context);
  await rulesApplied(changed, mode, context, acts.askProxy);
  await acts.nodeReady(changed, context);
}

/** Writes a node's configuration unless it has its mode already. */
async function configure(changed: ClusterConfig): Promise<void> {
  const written = await readConfigFile(configPath(changed.dataDir), changed.name);
  if (proxyModeOf(written) !== proxyModeOf(changed)) await writeCluster(changed);
}
