import type { NodeInfo } from "../node-info.ts";

/** The nodes as of one cycle, including the pods that earlier cycles assumed on them. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  get(name: string): NodeInfo | undefined;
  /** Returns the labels of a namespace, for selectors over namespaces. */
  namespaceLabels(name: string): Record<string, string>;
}
