import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { httpTarget } from "@raft2kube/kubelet/probes/handler-address.ts";
import { httpGet } from "@raft2kube/kubelet/probes/http-get.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { type Container, ContainerState, RuntimeService } from "@raft2kube/proto/gen/cri.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { parse } from "yaml";
import { CommandError } from "../../terminal.ts";
import { type MachineContext, within } from "../context.ts";
import { manifestPath, NODE_AGENT, UPGRADE_BACKUP_DIR } from "../layout.ts";
import { STATIC_PODS, type StaticPod } from "../static-pods.ts";
import { renewCertificates } from "./certificates.ts";

/** How long one component may take, its image's start included. */
const COMPONENT_TIMEOUT_MS = 300_000;
const PROBE = { timeout_ms: 5_000, userAgent: "r2k-upgrade" };
/** A component that has ended so often since its manifest changed does not work. */
const ENDS_MAX = 2;

const uidOf = ({ labels }: Container) => labels["io.kubernetes.pod.uid"];
const backupPath = (pod: StaticPod) => join(UPGRADE_BACKUP_DIR, `${pod}.yaml`);

/**
 * Gives the machine's static pods new manifests, one after the other, each once the one before is
 * healthy; before, with `renews`, the certificates that it uses are renewed, and at the end the
 * administrator's. If one is not in time, all get the old manifests back, and CommandError
 * `UPGRADE` names it. Run again after an interruption it goes on: the backup lasts until all are
 * healthy.
 */
export async function upgradeStaticPods(
  context: MachineContext,
  texts: Map<StaticPod, string>,
  renews: boolean,
) {
  for (const [pod, text] of texts) {
    context.signal.throwIfAborted();
    try {
      await upgrade(context, pod, text, renews);
    } catch (cause) {
      // A full disk takes no former manifest either.
      if (context.signal.aborted || isErrno(cause, "ENOSPC", "EDQUOT")) throw cause;
      await goBack(context);
      const what = `${pod} was not upgraded: ${messageOf(cause)}`;
      throw new CommandError("UPGRADE", `${what}; the former manifests are back`, {
        remedy: `see /var/log/pods/kube-system_${pod}-*; then r2k upgrade again`,
        cause,
      });
    }
  }
  await rm(UPGRADE_BACKUP_DIR, { recursive: true, force: true });
  if (renews && texts.size > 0) await renewCertificates(context, "admin");
}

const note = (context: MachineContext, line: string) =>
  context.note(`[upgrade/staticpods] ${line}`);

/** Gives a pod its new manifest and waits for it; its old one is backed up first. */
async function upgrade(context: MachineContext, pod: StaticPod, text: string, renews: boolean) {
  const [path, backup] = [manifestPath(pod), backupPath(pod)];
  const old = (await readIfPresent(path)) ?? "";
  const isBegun = (await readIfPresent(backup)) !== undefined;
  if (old === text && !isBegun) {
    return note(context, `Current and new manifests of ${pod} are equal, skipping`);
  }
  if (!isBegun) {
    if (renews) await renewCertificates(context, pod);
    await mkdir(UPGRADE_BACKUP_DIR, { recursive: true, mode: 0o700 });
    await replaceFile(backup, old, { mode: 0o600 });
  }
  const moved = `Moved new manifest to "${path}" and backed up old manifest to "${backup}"`;
  await replace(context, pod, text, moved);
  note(context, `Component "${pod}" upgraded successfully!`);
}

/** Gives each pod whose manifest was changed the former one back, and waits for it. */
async function goBack(context: MachineContext): Promise<void> {
  for (const pod of STATIC_PODS) {
    const text = await readIfPresent(backupPath(pod));
    if (text === undefined || text === (await readIfPresent(manifestPath(pod)))) continue;
    await replace(context, pod, text, `Put the old manifest of ${pod} back`);
  }
  await rm(UPGRADE_BACKUP_DIR, { recursive: true, force: true });
}

/**
 * Writes a manifest that is not there yet, notes that it was `moved`, and waits for a container by
 * it whose readiness probe succeeds.
 */
async function replace(context: MachineContext, pod: StaticPod, text: string, moved: string) {
  const isNew = await place(context, pod, text);
  note(context, moved);
  let ends = 0;
  const isUp = async () => {
    const found = (await containersOf(context, pod)).filter(isNew);
    ends = Math.max(0, ...found.map(({ metadata }) => metadata?.attempt ?? 0));
    const isRunning = found.some(({ state }) => state === ContainerState.CONTAINER_RUNNING);
    return ends >= ENDS_MAX || (isRunning && (await probe(text)));
  };
  await waitFor(`${pod} to be healthy`, isUp, within(context, COMPONENT_TIMEOUT_MS));
  if (ends >= ENDS_MAX) throw new CommandError("ENDED", `its container has ended ${ends} times`);
}

/**
 * Writes a manifest. Resolves with the test for containers by it: none of the pod before, which
 * may be started again until the kubelet reads the manifest; a run that goes on after another
 * knows them by their age.
 */
async function place(context: MachineContext, pod: StaticPod, text: string) {
  if ((await readIfPresent(manifestPath(pod))) === text) {
    const { mtimeNs } = await stat(manifestPath(pod), { bigint: true });
    return ({ createdAt }: Container) => createdAt > mtimeNs;
  }
  const found = await containersOf(context, pod);
  const ids = new Set(found.map(({ id }) => id));
  // A pod that ran before this one has its uid again once its manifest is back.
  const [former] = found.sort((a, b) => Number(b.createdAt - a.createdAt)).map(uidOf);
  await replaceFile(manifestPath(pod), text, { mode: 0o600 });
  return (container: Container) => !ids.has(container.id) && uidOf(container) !== former;
}

async function containersOf({ nodeName }: MachineContext, pod: StaticPod): Promise<Container[]> {
  const labelSelector = {
    "io.kubernetes.pod.namespace": "kube-system",
    "io.kubernetes.pod.name": `${pod}-${nodeName}`,
  };
  const filter = { id: "", podSandboxId: "", labelSelector };
  using channel = connectGrpc(NODE_AGENT.criEndpoint);
  return (await client(channel, RuntimeService).listContainers({ filter })).containers;
}

/** Asks what the manifest's readiness probe asks. */
async function probe(manifest: string): Promise<boolean> {
  const [container] = (parse(manifest) as Pod).spec.containers;
  const action = (container!.readinessProbe ?? container!.livenessProbe)?.httpGet;
  if (action === undefined) return true;
  const { status } = await httpGet(httpTarget(action, container!, "127.0.0.1"), PROBE);
  return status < 400;
}
