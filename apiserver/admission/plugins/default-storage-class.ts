import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isDefaultClass } from "@raft2kube/api/storage/v1/storage-class.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns } from "../plugin.ts";
import { classOfClaim } from "./claim-class.ts";
import { defaultClassOf } from "./default-class.ts";

/** A claim that names no class gets the default one. */
export function defaultStorageClass(context: AdmissionContext): AdmissionPlugin {
  const classes = context.resources.of("storage.k8s.io/v1", "storageclasses");
  return {
    name: "DefaultStorageClass",
    async admit(request) {
      if (request.operation !== "CREATE") return;
      if (!concerns(request, "", "persistentvolumeclaims")) return;
      const claim = request.object as PersistentVolumeClaim;
      if (classOfClaim(claim) !== undefined) return;
      const name = await defaultClassOf<StorageClass & KubeObject>(classes, isDefaultClass);
      if (name !== undefined) claim.spec!.storageClassName = name;
    },
  };
}
