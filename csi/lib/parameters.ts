import { invalidArgument } from "./errors.ts";
import { requireSmallMap } from "./fields.ts";

/**
 * Parameters under this prefix are the sidecars' (names of the claim, secrets), not the driver's.
 */
const SIDECAR_PREFIX = "csi.storage.k8s.io/";

/**
 * Refuses parameters that the driver would ignore; it has none of its own. Throws INVALID_ARGUMENT.
 */
export function requireParameters(
  field: string,
  parameters: Readonly<Record<string, string>>,
): void {
  requireSmallMap(field, parameters);
  const unknown = Object.keys(parameters).find((key) => !key.startsWith(SIDECAR_PREFIX));
  if (unknown !== undefined) throw invalidArgument(`${field}: ${unknown} is not known`);
}
