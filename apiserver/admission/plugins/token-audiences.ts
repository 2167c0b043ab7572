import type {
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Resources } from "../../resource/resources.ts";

/**
 * Whether a volume of a pod asks for tokens for an audience, "" for the server's own: by itself, or
 * by the driver that serves it. Drivers are looked for only when no volume says so itself.
 */
export async function asksForAudience(
  resources: Resources,
  pod: Pod & KubeObject,
  audience: string,
): Promise<boolean> {
  const volumes = pod.spec?.volumes ?? [];
  if (volumes.some((volume) => isProjected(volume, audience))) return true;
  for (const volume of volumes) {
    const driver = await driverOf(resources, pod, volume);
    if (driver !== undefined && (await isDrivers(resources, driver, audience))) return true;
  }
  return false;
}

function isProjected({ projected }: Volume, audience: string): boolean {
  return (projected?.sources ?? []).some(({ serviceAccountToken: token }) => {
    return token !== undefined && (token.audience ?? "") === audience;
  });
}

/**
 * The CSI driver of a volume: its own, or that of the PersistentVolume that its claim is bound to.
 */
async function driverOf(
  resources: Resources,
  { metadata }: Pod & KubeObject,
  { name, csi, persistentVolumeClaim, ephemeral }: Volume,
): Promise<string | undefined> {
  if (csi !== undefined) return csi.driver;
  const made = ephemeral && `${metadata.name}-${name}`;
  const claimName = persistentVolumeClaim?.claimName ?? made;
  if (!claimName) return undefined;
  const claims = resources.of("v1", "persistentvolumeclaims").store;
  const { namespace = "" } = metadata;
  const claim = await claims.find<PersistentVolumeClaim & KubeObject>(namespace, claimName);
  const volumeName = claim?.spec?.volumeName;
  if (!volumeName) return undefined;
  const volumes = resources.of("v1", "persistentvolumes").store;
  const volume = await volumes.find<PersistentVolume & KubeObject>("", volumeName);
  return volume?.spec?.csi?.driver;
}

async function isDrivers(resources: Resources, name: string, audience: string): Promise<boolean> {
  const drivers = resources.of("storage.k8s.io/v1", "csidrivers").store;
  const driver = await drivers.find<CSIDriver & KubeObject>("", name);
  return (driver?.spec.tokenRequests ?? []).some((each) => each.audience === audience);
}
