import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { observePod } from "../cri/observe.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { containersOf, fullNameOf } from "../pods/pod-identity.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodWorker } from "../sync/worker.ts";

export interface FoundPod {
  worker: PodWorker;
  observed: ObservedPod;
}

/** Returns the pod by namespace and name, and UID if given. Throws HttpError 404. */
export async function findPod(
  workers: PodWorkers,
  runtime: Runtime,
  namespace: string,
  name: string,
  uid?: string,
): Promise<FoundPod> {
  const worker = workers.named(`${namespace}/${name}`);
  if (!worker || (uid && worker.uid !== uid)) {
    throw new HttpError(404, `pod "${name}" not found in namespace "${namespace}"`);
  }
  const observed = await observePod(runtime, { uid: worker.uid, name, namespace });
  return { worker, observed };
}

/** Returns the container's instances, newest first. Throws HttpError 404 for an unknown name. */
export function containersNamed(found: FoundPod, name: string): ObservedContainer[] {
  const { pod } = found.worker;
  if (!containersOf(pod).some(({ container }) => container.name === name)) {
    throw new HttpError(404, `container "${name}" not found in pod "${fullNameOf(pod)}"`);
  }
  return found.observed.containers.filter((one) => one.name === name);
}

/** Returns the running instance. Throws HttpError 404 when none runs. */
export function runningContainer(found: FoundPod, name: string): ObservedContainer {
  const [newest] = containersNamed(found, name);
  if (newest?.state === "running") return newest;
  throw new HttpError(404, `container not found ("${name}")`);
}
