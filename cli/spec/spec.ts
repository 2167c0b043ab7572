import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ClusterConfig, ClusterPlace } from "./config.ts";

/**
 * A node beside the first that is wanted. One that is `started` is ensured part by part, one that
 * is `running` only if its process is missing.
 */
export type WantedNode = { readonly wanted: "started" | "running"; readonly node: ClusterConfig };

/** A node beside the first whose processes, or whose data and identity too, are to go. */
export interface UnwantedNode {
  readonly wanted: "stopped" | "absent";
  readonly name: string;
  readonly node: ClusterPlace;
}

/**
 * A control plane that is to run, be stopped, or be gone for good; one that is `added` takes the
 * place of one that is gone. `cluster` of the spec lists the control planes by then.
 */
export interface WantedControlPlane {
  readonly wanted: "running" | "stopped" | "added" | "absent";
  readonly name: string;
}

/**
 * The wanted state of a cluster on this machine. A cluster that is `started` is ensured part by
 * part; one that is `kept` is left as it is but for its nodes; one that is `absent` has no data
 * either. A node that is not listed is left as it is.
 */
export type Spec =
  | {
      readonly wanted: "started";
      readonly cluster: ClusterConfig;
      readonly nodes: readonly WantedNode[];
      readonly demo: boolean;
      /** Brings the ingress controller, or with it the Gateway API. */
      readonly ingress?: "ingress" | "gateway";
      /** Brings the dashboard into the cluster. */
      readonly dashboard?: boolean;
    }
  | {
      readonly wanted: "kept";
      readonly cluster: ClusterConfig;
      readonly nodes: readonly (WantedNode | UnwantedNode)[];
      /** The kind of Service rules of all nodes that run, but for guests. */
      readonly proxyMode?: ModeName;
      /** Brings the ingress controller, or with it the Gateway API. */
      readonly ingress?: "ingress" | "gateway";
      /** Brings the dashboard into the cluster. */
      readonly dashboard?: boolean;
      readonly controlPlane?: WantedControlPlane;
    }
  | {
      readonly wanted: "stopped";
      readonly cluster: ClusterPlace;
      readonly nodes: readonly UnwantedNode[];
    }
  | {
      readonly wanted: "absent";
      readonly cluster: ClusterPlace;
      /** Containers, images and volumes made by hand, which were there before, stay. */
      readonly keepsHand?: boolean;
    };

/** A spec that can be undone. */
export type Change = Extract<Spec, { readonly wanted: "started" | "kept" }>;

/** Whether a node is one that is wanted. */
export function isWanted(node: WantedNode | UnwantedNode): node is WantedNode {
  return node.wanted === "started" || node.wanted === "running";
}
