import { type AdmissionPlugin, concerns } from "../plugin.ts";

const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumeclaims: "kubernetes.io/pvc-protection",
  persistentvolumes: "kubernetes.io/pv-protection",
  volumeattributesclasses: "kubernetes.io/vac-protection",
};

/** Claims and volumes stay until nobody uses them: their controllers take the finalizer away. */
export function storageObjectInUseProtection(): AdmissionPlugin {
  return {
    name: "StorageObjectInUseProtection",
    admit(request) {
      if (request.operation !== "CREATE") return;
      const { plural } = request.resource.kind;
      const finalizer = FINALIZERS[plural];
      const { group } = request.resource.kind;
      if (finalizer === undefined || !concerns(request, group, plural)) return;
      const { metadata } = request.object!;
      if (metadata.finalizers?.includes(finalizer)) return;
      metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
    },
  };
}
