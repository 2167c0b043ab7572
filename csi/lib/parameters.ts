import { invalidArgument } from "./errors.ts";
import { requireSmallMap } from "./fields.ts";

/**
 * Parameters under this prefix are the sidecars' (names of the claim, secrets), not the driver's.
 */
export const SIDECAR_PREFIX = "csi.storage.k8s.io/";

/** The provisioner's parameter with the namespace of the claim. */
export const PVC_NAMESPACE = `${SIDECAR_PREFIX}pvc/namespace`;

/**
 * Refuses parameters that the driver would ignore, which are all but `known`. Throws
 * INVALID_ARGUMENT.
 */
export function requireParameters(
  field: string,
  parameters: Readonly<Record<string, string>>,
  known: readonly string[] = [],
): void {
  requireSmallMap(field, parameters);
  const unknown = Object.keys(parameters).find(
    (key) => !key.startsWith(SIDECAR_PREFIX) && !known.includes(key),
  );
  if (unknown !== undefined) throw invalidArgument(`${field}: ${unknown} is not known`);
}
