import { type AdmissionPlugin, concerns } from "../plugin.ts";

const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumeclaims: "kubernetes.io/pvc-protection",
  persistentvolumes: "kubernetes.io/pv-protection",
  volumeattributesclasses: "kubernetes.io/vac-protection",
};

/** Adds finalizers to claims and volumes; their controllers remove them after the last use. */
export const storageObjectInUseProtection = (): AdmissionPlugin => ({
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
});
