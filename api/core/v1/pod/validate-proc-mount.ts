/** The rules of how a container sees /proc. */

import { type FieldError, invalid, notSupported } from "../../../errors.ts";
import type { PodSpec } from "../../../gen/core/v1.ts";

const PROC_MOUNTS = ["Default", "Unmasked"];
const LISTS = ["initContainers", "containers", "ephemeralContainers"] as const;

/** The whole of /proc is for pods whose root is not the node's (KEP-4265). */
export function validateProcMounts(spec: PodSpec, path: string): FieldError[] {
  return LISTS.flatMap((list) =>
    (spec[list] ?? []).flatMap(({ securityContext }, index) => {
      const value = securityContext?.procMount;
      if (value === undefined) return [];
      const at = `${path}.${list}[${index}].securityContext.procMount`;
      if (!PROC_MOUNTS.includes(value)) return [notSupported(at, value, PROC_MOUNTS)];
      if (value === "Default" || spec.hostUsers === false) return [];
      return [invalid(at, value, "`hostUsers` must be false to use `Unmasked`")];
    }),
  );
}
