import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ClusterConfig, ClusterPlace } from "../spec/config.ts";
import type { ProcessName } from "../spec/processes.ts";

type OfCluster = { readonly cluster: ClusterConfig };

type OfMode = { readonly node: ClusterConfig; readonly mode: ModeName };
type Unwanted = { readonly name: string; readonly node: ClusterPlace };

/** The kinds of steps, in the order in which they come. */
interface Steps {
  files: OfCluster & { readonly ahead: readonly ProcessName[] };
  network: OfCluster;
  "control-planes": OfCluster & { readonly names: readonly string[] };
  processes: OfCluster & {
    readonly title: string;
    readonly names: readonly ProcessName[];
    /** Processes of a later step that prepare themselves meanwhile. */
    readonly ahead?: readonly ProcessName[];
  };
  "add-ons": OfCluster;
  ready: { readonly node: ClusterConfig };
  nodes: OfCluster & { readonly title: string; readonly nodes: readonly ClusterConfig[] };
  demo: OfCluster;
  /** The demo's first answer, if this call created it. */
  answer: OfCluster;
  ingress: OfCluster & { readonly demo: boolean; readonly api: "ingress" | "gateway" };
  dashboard: OfCluster;
  mode: OfMode;
  "guest-mode": OfMode;
  "stop-control-plane": OfCluster & { readonly name: string };
  "remove-control-plane": OfCluster & { readonly name: string };
  "add-control-plane": OfCluster & { readonly name: string };
  "stop-node": Unwanted;
  "remove-node": Unwanted;
  remove: { readonly cluster: ClusterPlace };
  /** Whether images, and what was made by hand, stay: `keepsHand`. */
  purge: { readonly cluster: ClusterPlace; readonly keepsHand: boolean };
}

export type StepKind = keyof Steps;

export type StepOf<K extends StepKind> = { readonly kind: K } & Steps[K];

/** One change of a cluster. Each kind has its file in `cli/apply`; a second time is no error. */
export type Step = { [K in StepKind]: StepOf<K> }[StepKind];

/** Returns a key that is unique among the steps of one convergence. */
export function keyOf(step: Step): string {
  switch (step.kind) {
    case "processes":
    case "nodes":
      return step.title;
    case "mode":
    case "guest-mode":
    case "ready":
      return `${step.kind} ${step.node.nodeName}`;
    case "stop-control-plane":
    case "remove-control-plane":
    case "add-control-plane":
    case "stop-node":
    case "remove-node":
      return `${step.kind} ${step.name}`;
    default:
      return step.kind;
  }
}
