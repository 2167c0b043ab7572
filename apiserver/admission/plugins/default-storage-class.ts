import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";

const DEFAULT = "storageclass.kubernetes.io/is-default-class";
const BETA_CLASS = "volume.beta.kubernetes.io/storage-class";

interface Claim extends KubeObject {
  spec: { storageClassName?: string };
}

/** A claim that names no class gets the default one; of several the newest. */
export function defaultStorageClass(context: AdmissionContext): AdmissionPlugin {
  const classes = context.registry.of("storage.k8s.io/v1", "storageclasses");
  return {
    name: "DefaultStorageClass",
    async admit(request) {
      if (request.operation !== "CREATE") return;
      if (!concerns(request, "", "persistentvolumeclaims")) return;
      const claim = request.object as Claim;
      if (claim.spec.storageClassName !== undefined) return;
      if (claim.metadata.annotations?.[BETA_CLASS] !== undefined) return;
      const [newest] = (await classes.cache())
        .list()
        .map((entry) => entry.object())
        .filter((each) => each.metadata.annotations?.[DEFAULT] === "true")
        .sort((a, b) => newestFirst(a.metadata, b.metadata));
      if (newest) claim.spec.storageClassName = newest.metadata.name!;
    },
  };
}

function newestFirst(a: KubeObject["metadata"], b: KubeObject["metadata"]): number {
  const [first = "", second = ""] = [a.creationTimestamp, b.creationTimestamp];
  if (first !== second) return first < second ? 1 : -1;
  return (a.name ?? "") < (b.name ?? "") ? -1 : 1;
}
