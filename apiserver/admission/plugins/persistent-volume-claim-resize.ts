import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, concerns, refusal } from "../plugin.ts";
import { classOfClaim } from "./claim-class.ts";

const UNBOUND = "Only bound persistent volume claims can be expanded";
const FIXED =
  "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc " +
  "must support resize";

/** A claim may grow only while it is bound, and if its class allows that. */
export function persistentVolumeClaimResize(context: AdmissionContext): AdmissionPlugin {
  const classes = context.resources.of("storage.k8s.io/v1", "storageclasses");
  const allows = async (name: string) => {
    const entry = (await classes.cache()).get(keyOf(classes.kind, "", name));
    return entry?.shared<StorageClass & KubeObject>().allowVolumeExpansion === true;
  };
  return {
    name: "PersistentVolumeClaimResize",
    async validate(request) {
      if (request.operation !== "UPDATE") return;
      if (!concerns(request, "", "persistentvolumeclaims")) return;
      const claim = request.object as PersistentVolumeClaim;
      const old = request.old as PersistentVolumeClaim;
      if (compareQuantity(sizeOf(claim), sizeOf(old)) <= 0) return;
      if (old.status?.phase !== "Bound") throw refusal(request, UNBOUND);
      const name = classOfClaim(claim) ?? "";
      const same = name !== "" && name === classOfClaim(old);
      if (!same || !(await allows(name))) throw refusal(request, FIXED);
    },
  };
}

function sizeOf({ spec }: PersistentVolumeClaim): string {
  return spec?.resources?.requests?.["storage"] ?? "0";
}
