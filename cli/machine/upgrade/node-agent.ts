import { readFileSync } from "node:fs";
import { readlink, rm, symlink } from "node:fs/promises";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { isNodeReady } from "@raft2kube/controllers/node-state.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { installPlugins } from "../../apply/plugins.ts";
import { argumentsOf } from "../../observe/process-table.ts";
import { runningPid } from "../../observe/processes.ts";
import { CommandError } from "../../terminal.ts";
import { endNodeAgent, startNodeAgent } from "../agent/node-agent.ts";
import type { AgentProgram } from "../agent/systemd.ts";
import { type MachineContext, machineClient, within } from "../context.ts";
import { KUBELET_KUBECONFIG, NODE_AGENT } from "../layout.ts";
import { placeImages } from "../phases/files.ts";

const READY_TIMEOUT_MS = 120_000;

/**
 * Replaces the node agent by this release's; containers run on meanwhile. If it does not start, or
 * the Node is not Ready in time, the former one is started again, and CommandError `UPGRADE` says
 * why. Nothing is done where the agent that runs is of this build.
 */
export async function upgradeNodeAgent(context: MachineContext, build: string): Promise<void> {
  const { note, clock, signal } = context;
  const { runDir, cniBinDir, buildFile } = NODE_AGENT;
  const pid = runningPid(runDir, "machine");
  if (pid !== undefined && (await readIfPresent(buildFile)) === build) {
    return note("[upgrade/kubelet] The kubelet is of this release, skipping");
  }
  const former = pid === undefined ? undefined : await formerOf(pid);
  note("[upgrade/kubelet] Replacing the kubelet, the runtime and the pods' network");
  await endNodeAgent(clock);
  try {
    await installPlugins(cniBinDir);
    await placeImages(context);
    await startNodeAgent(signal);
    await untilReady(context);
  } catch (cause) {
    if (former === undefined) throw cause;
    note("[upgrade/kubelet] Starting the former kubelet again");
    await endNodeAgent(clock);
    await rm(NODE_AGENT.releaseArchive, { force: true });
    await symlink(former.archive, NODE_AGENT.releaseArchive);
    // Also after Ctrl-C: a machine without its agent is lost to the cluster.
    await startNodeAgent(new AbortController().signal, former);
    signal.throwIfAborted();
    throw new CommandError("UPGRADE", `the kubelet: ${messageOf(cause)}; the former one runs`, {
      remedy: `read ${NODE_AGENT.logPath}; then r2k upgrade again`,
      cause,
    });
  }
}

/** The agent that runs, by which it is started again, and the archive of its images. */
async function formerOf(pid: number): Promise<AgentProgram & { readonly archive: string }> {
  const variables = readFileSync(`/proc/${pid}/environ`, "utf8");
  const root = /(?:^|\0)R2K_ROOT=([^\0]*)/.exec(variables)?.[1];
  return {
    program: argumentsOf(pid),
    env: root === undefined ? {} : { R2K_ROOT: root },
    archive: await readlink(NODE_AGENT.releaseArchive),
  };
}

/** Waits until the kubelet that was just started reports its Node as Ready. */
async function untilReady(context: MachineContext): Promise<void> {
  const { nodeName: name, clock } = context;
  const begun_ms = clock.now();
  using client = await machineClient(context, KUBELET_KUBECONFIG);
  const ready = async () => {
    const node = await client.resource(NODES).get({ name });
    const beat = node.status?.conditions?.find(({ type }) => type === "Ready")?.lastHeartbeatTime;
    // Seconds are all that the time has.
    return isNodeReady(node) && Date.parse(beat ?? "") >= begun_ms - 1_000;
  };
  await waitFor(`the Node ${name} to be Ready`, ready, within(context, READY_TIMEOUT_MS));
}
