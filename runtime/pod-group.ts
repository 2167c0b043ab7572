import type { RecordTable } from "./record-table.ts";

/** Label by which a kubelet asks for what a pod has. */
const POD_UID_LABEL = "io.kubernetes.pod.uid";

type Labels = Record<string, string>;

/** The pod of a sandbox or container. */
export const podOf = ({ config }: { config: { labels: Labels } }): string | undefined =>
  config.labels[POD_UID_LABEL];

/**
 * The records that a filter by labels may select. Of one by a pod those of the pod: a kubelet asks
 * so for each, and ended pods, of which there may be thousands, keep theirs.
 */
export function recordsFor<T extends { id: string }>(
  table: RecordTable<T>,
  { labelSelector }: { labelSelector?: Labels } = {},
): T[] {
  const pod = labelSelector?.[POD_UID_LABEL];
  return pod === undefined ? table.values() : table.ofGroup(pod);
}
