import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { csiSourceOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { PERSISTENT_VOLUMES } from "@raft2kube/client-kube/rest/resources.ts";
import type { DriverIdentity } from "./driver-identity.ts";
import { CONTROLLER_CALL_TIMEOUT_MS } from "./limits.ts";
import { PROVISIONER_FINALIZER } from "./names.ts";

/**
 * Deletes a volume's storage, then its object, then the finalizer that kept the object. Each step
 * is idempotent.
 */
export async function deleteVolume(
  client: KubeClient,
  driver: DriverIdentity,
  volume: PersistentVolume,
): Promise<void> {
  const { name = "", uid } = volume.metadata;
  await driver.controller.deleteVolume(
    { volumeId: csiSourceOf(volume)?.volumeHandle ?? "" },
    { timeout_ms: CONTROLLER_CALL_TIMEOUT_MS },
  );
  const volumes = client.resource(PERSISTENT_VOLUMES);
  try {
    if (!volume.metadata.deletionTimestamp) {
      await volumes.delete({ name }, { preconditions: { uid } });
    }
    const left = await volumes.get({ name });
    if (left.metadata.uid !== uid) return;
    const finalizers = left.metadata.finalizers ?? [];
    const others = finalizers.filter((finalizer) => finalizer !== PROVISIONER_FINALIZER);
    if (others.length === finalizers.length) return;
    await volumes.update({ ...left, metadata: { ...left.metadata, finalizers: others } });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}
