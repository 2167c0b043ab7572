import type { Container, Pod, Volume } from "../../../gen/core/v1.ts";

/** `secrets/default/token`: the name of an object that a pod names. */
export function reference(resource: string, namespace: string, name: string): string {
  return `${resource}/${namespace}/${name}`;
}

/** The other objects that a pod's spec names. */
export function objectsNamedBy(pod: Pod): Set<string> {
  const found = new Set<string>();
  const { namespace = "", name = "" } = pod.metadata;
  const { spec } = pod;
  if (spec === undefined) return found;
  const add = (resource: string, object: string | undefined) => {
    if (object !== undefined && object !== "") found.add(reference(resource, namespace, object));
  };
  add("serviceaccounts", spec.serviceAccountName);
  for (const secret of spec.imagePullSecrets ?? []) add("secrets", secret.name);
  const containers = [spec.initContainers, spec.containers, spec.ephemeralContainers];
  for (const container of containers.flatMap((each) => (each ?? []) as Container[])) {
    addEnvironment(container, add);
  }
  for (const volume of spec.volumes ?? []) addVolume(volume, name, add);
  for (const claim of spec.resourceClaims ?? []) add("resourceclaims", claim.resourceClaimName);
  return found;
}

type Add = (resource: string, object: string | undefined) => void;

function addEnvironment(container: Container, add: Add): void {
  for (const source of container.envFrom ?? []) {
    add("configmaps", source.configMapRef?.name);
    add("secrets", source.secretRef?.name);
  }
  for (const variable of container.env ?? []) {
    add("configmaps", variable.valueFrom?.configMapKeyRef?.name);
    add("secrets", variable.valueFrom?.secretKeyRef?.name);
  }
}

function addVolume(volume: Volume, pod: string, add: Add): void {
  add("secrets", volume.secret?.secretName);
  add("configmaps", volume.configMap?.name);
  for (const source of volume.projected?.sources ?? []) {
    add("secrets", source.secret?.name);
    add("configmaps", source.configMap?.name);
  }
  add("persistentvolumeclaims", volume.persistentVolumeClaim?.claimName);
  if (volume.ephemeral) add("persistentvolumeclaims", `${pod}-${volume.name}`);
  for (const secret of volumeSecrets(volume)) add("secrets", secret);
}

/** The Secrets by which a volume is mounted (upstream's VisitPodSecretNames). */
const volumeSecrets = (volume: Volume): (string | undefined)[] => [
  volume.azureFile?.secretName,
  volume.cephfs?.secretRef?.name,
  volume.cinder?.secretRef?.name,
  volume.csi?.nodePublishSecretRef?.name,
  volume.flexVolume?.secretRef?.name,
  volume.iscsi?.secretRef?.name,
  volume.rbd?.secretRef?.name,
  volume.scaleIO?.secretRef?.name,
  volume.storageos?.secretRef?.name,
];
