import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { observeContainers } from "../cri/observe.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { containersOf, fullNameOf } from "../pods/pod-identity.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodWorker } from "../sync/worker.ts";

/** Returns the pod by namespace and name, and UID if given. Throws HttpError 404. */
export function findPod(
  workers: PodWorkers,
  namespace: string,
  name: string,
  uid?: string,
): PodWorker {
  const worker = workers.named(`${namespace}/${name}`);
  if (worker && (!uid || worker.uid === uid)) return worker;
  throw new HttpError(404, `pod "${name}" not found in namespace "${namespace}"`);
}

/** Returns the container's instances, newest first. Throws HttpError 404 for an unknown name. */
export async function containersNamed(
  runtime: Runtime,
  { pod, uid }: PodWorker,
  name: string,
): Promise<ObservedContainer[]> {
  if (!containersOf(pod).some(({ container }) => container.name === name)) {
    throw new HttpError(404, `container "${name}" not found in pod "${fullNameOf(pod)}"`);
  }
  return observeContainers(runtime, uid, name);
}

/** Returns the running instance. Throws HttpError 404 when none runs. */
export async function runningContainer(
  runtime: Runtime,
  worker: PodWorker,
  name: string,
): Promise<ObservedContainer> {
  const [newest] = await containersNamed(runtime, worker, name);
  if (newest?.state === "running") return newest;
  throw new HttpError(404, `container not found ("${name}")`);
}
