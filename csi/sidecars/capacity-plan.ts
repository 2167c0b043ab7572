import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { CSIStorageCapacity, StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { quantityOf } from "@raft2kube/std/quantity.ts";

/** Label of a CSIStorageCapacity with the driver that it is of (upstream's names). */
const DRIVER_LABEL = "csi.storage.k8s.io/drivername";
const MANAGED_LABEL = "csi.storage.k8s.io/managed-by";

/** Publisher of capacities: one driver in one topology. */
export interface CapacityPublisher {
  driverName: string;
  /** Name in labels and object names; unique among a driver's publishers. */
  publisher: string;
  namespace: string;
  segments: Readonly<Record<string, string>>;
  /** Owner, with which the objects are removed. */
  owner: OwnerReference;
}

/** Space for volumes of one class, by the driver's GetCapacity. */
export type FreeSpace = { available_bytes: number; maximum_bytes: number | undefined };

export interface CapacityPlan {
  create: CSIStorageCapacity[];
  update: CSIStorageCapacity[];
  delete: CSIStorageCapacity[];
}

/** Labels of the objects of a publisher. */
export function capacityLabels({ driverName, publisher }: CapacityPublisher) {
  return { [DRIVER_LABEL]: driverName, [MANAGED_LABEL]: publisher };
}

/**
 * Plans the objects of a publisher: one for each class of its driver, with the space of its
 * topology; of a class whose space is unknown they stay. `existing` are all objects; others' are
 * left alone. Pure.
 */
export function planCapacities(
  publisher: CapacityPublisher,
  spaces: ReadonlyMap<StorageClass, FreeSpace | undefined>,
  existing: readonly CSIStorageCapacity[],
): CapacityPlan {
  const labels = capacityLabels(publisher);
  const ours = existing.filter(({ metadata }) =>
    Object.entries(labels).every(([key, value]) => own(metadata.labels ?? {}, key) === value),
  );
  const plan: CapacityPlan = { create: [], update: [], delete: [] };
  const kept = new Set<CSIStorageCapacity>();
  for (const [{ metadata }, space] of spaces) {
    const { name = "" } = metadata;
    if (!space) {
      for (const each of ours) if (each.storageClassName === name) kept.add(each);
      continue;
    }
    const wanted = capacityOf(publisher, name, space);
    const found = ours.find((each) => each.storageClassName === name && sameTopology(each, wanted));
    if (!found) plan.create.push(wanted);
    else {
      kept.add(found);
      const { capacity, maximumVolumeSize } = wanted;
      const same = found.capacity === capacity && found.maximumVolumeSize === maximumVolumeSize;
      if (!same) plan.update.push({ ...wanted, metadata: found.metadata });
    }
  }
  plan.delete = ours.filter((each) => !kept.has(each));
  return plan;
}

function sameTopology(a: CSIStorageCapacity, b: CSIStorageCapacity): boolean {
  return JSON.stringify(a.nodeTopology) === JSON.stringify(b.nodeTopology);
}

function capacityOf(
  publisher: CapacityPublisher,
  storageClassName: string,
  { available_bytes, maximum_bytes }: FreeSpace,
): CSIStorageCapacity {
  const { namespace, segments, owner } = publisher;
  const labels = capacityLabels(publisher);
  const maximum = maximum_bytes === undefined ? {} : { maximumVolumeSize: sizeOf(maximum_bytes) };
  return {
    metadata: { namespace, generateName: "csisc-", labels, ownerReferences: [owner] },
    storageClassName,
    nodeTopology: { matchLabels: { ...segments } },
    capacity: sizeOf(available_bytes),
    ...maximum,
  };
}

/** Whole MiB: a published figure that changed by less is not written again. */
function sizeOf(bytes: number): string {
  return quantityOf(Math.floor(bytes / 1024 ** 2) * 1024 ** 2, "binary");
}
