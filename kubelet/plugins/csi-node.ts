import type { CSINodeDriver, CSINodeSpec } from "@raft2kube/api/gen/storage/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import type { CsiDriver } from "./csi-drivers.ts";

/**
 * Returns the CSINode's spec with this driver in it; the same object when nothing changes. Pure.
 */
export function withDriver(spec: CSINodeSpec, driver: CsiDriver): CSINodeSpec {
  const { maxVolumes } = driver;
  const entry: CSINodeDriver = {
    name: driver.name,
    nodeID: driver.nodeId,
    topologyKeys: Object.keys(driver.topology).sort(),
    // Drivers without a limit of their own may give the largest int64.
    ...(maxVolumes > 0 ? { allocatable: { count: Math.min(maxVolumes, INT32_MAX) } } : {}),
  };
  const existing = spec.drivers.find((one) => one.name === driver.name);
  if (JSON.stringify(existing) === JSON.stringify(entry)) return spec;
  return { drivers: [...spec.drivers.filter((one) => one !== existing), entry] };
}

/**
 * Returns the CSINode's spec without the named driver; the same object when it is not in it. Pure.
 */
export function withoutDriver(spec: CSINodeSpec, name: string): CSINodeSpec {
  const drivers = spec.drivers.filter((one) => one.name !== name);
  return drivers.length === spec.drivers.length ? spec : { drivers };
}

/**
 * Returns the labels that a node lacks for a driver's topology. Throws if the node has another
 * value for one: volumes made under the old value would become unreachable (as upstream).
 */
export function missingTopologyLabels(
  labels: Readonly<Record<string, string>>,
  driver: CsiDriver,
): Record<string, string> {
  const missing: Record<string, string> = {};
  for (const [key, value] of Object.entries(driver.topology)) {
    const present = labels[key];
    if (present === undefined) missing[key] = value;
    else if (present !== value) {
      throw new CodedError(
        "TopologyCollision",
        `driver ${driver.name} reports ${key}=${value}, the node is labelled ${key}=${present}`,
        { remedy: "remove the label from the Node if no volume depends on it" },
      );
    }
  }
  return missing;
}
