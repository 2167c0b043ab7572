import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { connectRuntime, type Runtime } from "@raft2kube/kubelet/cri/runtime.ts";
import { httpTarget } from "@raft2kube/kubelet/probes/handler-address.ts";
import { httpGet } from "@raft2kube/kubelet/probes/http-get.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { parse } from "yaml";
import { CommandError } from "../../terminal.ts";
import type { MachineContext } from "../context.ts";
import { manifestPath, NODE_AGENT, UPGRADE_BACKUP_DIR } from "../layout.ts";
import type { StaticPod } from "../static-pods.ts";
import { STATIC_PODS } from "./cluster.ts";

/** How long one component may take, its image's start included. */
const COMPONENT_TIMEOUT_MS = 300_000;
const INTERVAL_MS = 250;
const PROBE = { timeout_ms: 5_000, userAgent: "r2k-upgrade" };
/** A component that has ended so often since its manifest changed does not work. */
const ENDS_MAX = 2;

const backupPath = (pod: StaticPod) => join(UPGRADE_BACKUP_DIR, `${pod}.yaml`);
/** Names the pod that ran before, which is another one than the upgraded. */
const formerPath = (pod: StaticPod) => join(UPGRADE_BACKUP_DIR, `${pod}.uid`);

/**
 * Gives the machine's static pods new manifests, one after the other, each once the one before is
 * healthy. If one is not in time, all get the old manifests back, and CommandError `UPGRADE` names
 * it. Run again after an interruption it goes on: the backup lasts until all are healthy.
 */
export async function upgradeStaticPods(
  context: MachineContext,
  texts: ReadonlyMap<StaticPod, string>,
): Promise<void> {
  const runtime = connectRuntime(`unix://${NODE_AGENT.criSocket}`);
  try {
    for (const [pod, text] of texts) {
      context.signal.throwIfAborted();
      try {
        await upgradeOne(context, runtime, pod, text);
      } catch (cause) {
        // A full disk takes no former manifest either.
        if (context.signal.aborted || isErrno(cause, "ENOSPC", "EDQUOT")) throw cause;
        await goBack(context, runtime);
        throw new CommandError(
          "UPGRADE",
          `${pod} did not become healthy: ${messageOf(cause)}; ` + "the former manifests are back",
          { remedy: `see /var/log/pods/kube-system_${pod}-*; then r2k upgrade again`, cause },
        );
      }
    }
    await rm(UPGRADE_BACKUP_DIR, { recursive: true, force: true });
  } finally {
    runtime.close();
  }
}

async function upgradeOne(
  context: MachineContext,
  runtime: Runtime,
  pod: StaticPod,
  text: string,
): Promise<void> {
  const { progress } = context;
  const old = await readIfPresent(manifestPath(pod));
  const isBegun = (await readIfPresent(backupPath(pod))) !== undefined;
  if (old === text && !isBegun) {
    progress.note(`[upgrade/staticpods] Current and new manifests of ${pod} are equal, skipping`);
    return;
  }
  if (!isBegun) {
    await mkdir(UPGRADE_BACKUP_DIR, { recursive: true, mode: 0o700 });
    const [former] = await containersOf(context, runtime, pod);
    await replaceFile(formerPath(pod), former?.uid ?? "", { mode: 0o600 });
    await replaceFile(backupPath(pod), old ?? "", { mode: 0o600 });
  }
  if (old !== text) await replaceFile(manifestPath(pod), text, { mode: 0o600 });
  progress.note(
    `[upgrade/staticpods] Moved new manifest to "${manifestPath(pod)}" and backed up ` +
      `old manifest to "${backupPath(pod)}"`,
  );
  await untilHealthy(context, runtime, { pod, text, former: await readIfPresent(formerPath(pod)) });
  progress.note(`[upgrade/staticpods] Component "${pod}" upgraded successfully!`);
}

/** Gives each static pod whose manifest was changed the former one back, and waits for it. */
async function goBack(context: MachineContext, runtime: Runtime): Promise<void> {
  const names = new Set(await readdir(UPGRADE_BACKUP_DIR));
  for (const pod of STATIC_PODS.filter((each) => names.has(`${each}.yaml`))) {
    const text = (await readIfPresent(backupPath(pod))) ?? "";
    const [failed] = await containersOf(context, runtime, pod);
    context.progress.note(`[upgrade/staticpods] Putting the old manifest of ${pod} back`);
    const isChanged = (await readIfPresent(manifestPath(pod))) !== text;
    if (isChanged) await replaceFile(manifestPath(pod), text, { mode: 0o600 });
    const former = isChanged ? failed?.uid : undefined;
    await untilHealthy(context, runtime, { pod, text, former });
  }
  await rm(UPGRADE_BACKUP_DIR, { recursive: true, force: true });
}

interface Wanted {
  readonly pod: StaticPod;
  readonly text: string;
  /** The uid of the pod that this one replaces; undefined where none need be replaced. */
  readonly former: string | undefined;
}

/** Waits for a container of another pod than the former one, whose readiness probe succeeds. */
async function untilHealthy(
  context: MachineContext,
  runtime: Runtime,
  { pod, text, former }: Wanted,
): Promise<void> {
  const { clock, signal } = context;
  let failure: CommandError | undefined;
  const isUp = async () => {
    const found = (await containersOf(context, runtime, pod)).filter(({ uid }) => uid !== former);
    const running = found.find(({ state }) => state === ContainerState.CONTAINER_RUNNING);
    const ends = Math.max(0, ...found.map(({ attempt }) => attempt));
    if (ends >= ENDS_MAX) {
      failure = new CommandError("ENDED", `its container has ended ${ends} times`);
      return true;
    }
    return running !== undefined && (await probe(text));
  };
  const limits = { clock, signal, timeout_ms: COMPONENT_TIMEOUT_MS, interval_ms: INTERVAL_MS };
  await waitFor(`${pod} to be healthy`, isUp, limits);
  if (failure) throw failure;
}

/** Asks what the manifest's readiness probe asks. */
async function probe(manifest: string): Promise<boolean> {
  const [container] = (parse(manifest) as Pod).spec.containers;
  const action = (container!.readinessProbe ?? container!.livenessProbe)?.httpGet;
  if (action === undefined) return true;
  const { status } = await httpGet(httpTarget(action, container!, "127.0.0.1"), PROBE);
  return status < 400;
}

/** The containers of a static pod on this machine, the newest first. */
async function containersOf({ nodeName }: MachineContext, { runtime }: Runtime, pod: StaticPod) {
  const labelSelector = {
    "io.kubernetes.pod.namespace": "kube-system",
    "io.kubernetes.pod.name": `${pod}-${nodeName}`,
  };
  const filter = { id: "", podSandboxId: "", labelSelector };
  const { containers } = await runtime.listContainers({ filter });
  return containers
    .sort((a, b) => (a.createdAt > b.createdAt ? -1 : 1))
    .map(({ labels, state, metadata }) => {
      return { uid: labels["io.kubernetes.pod.uid"] ?? "", state, attempt: metadata?.attempt ?? 0 };
    });
}
