import { UNMOUNT_WAIT_MS } from "../limits.ts";

/**
 * State of a VolumeAttachment. A pending one is uncertain: the driver may have attached the volume
 * already, so that it blocks other nodes as an attached one does.
 */
export type AttachmentState = "none" | "pending" | "attached" | "deleting";

/** A volume as seen from one node: one that wants it, has it, or says that it has it. */
export interface NodeVolume {
  node: string;
  /** Whether a pod of the node needs the volume, and the controller attaches for this node. */
  wanted: boolean;
  attachment: AttachmentState;
  /** Whether the node's status lists it in `volumesAttached`: then the kubelet may mount it. */
  listed: boolean;
  /** Whether the kubelet reports it in `volumesInUse`: it may be mounted. */
  inUse: boolean;
  /** Whether the node exists and is Ready. */
  ready: boolean;
  /** Whether the node has the taint `node.kubernetes.io/out-of-service`. */
  outOfService: boolean;
  /** How long it has been attached and not wanted. */
  unwanted_ms: number;
}

/** Why a volume is detached although its node may have it mounted. */
export type Force = "timeout" | "out-of-service";

export type Step =
  | { do: "attach"; node: string }
  /** Report the attached volume in the node's status. */
  | { do: "report"; node: string }
  /** Remove it from the node's status: the kubelet must not mount it. */
  | { do: "withdraw"; node: string }
  /** Withdraw it, then delete its attachment. */
  | { do: "detach"; node: string; force: Force | undefined }
  /** The volume is attached to `others`, and to one node at a time only. */
  | { do: "refuse"; node: string; others: string[] };

export interface VolumePlan {
  steps: Step[];
  /** When to look again, if a time must pass. */
  again_ms: number | undefined;
}

/**
 * Decides what to do about one volume: detach it where no pod needs it, then attach it where pods
 * do. Of several nodes that want a volume that can be on one only, the first gets it. Pure.
 */
export function planVolume(nodes: readonly NodeVolume[], multiAttach: boolean): VolumePlan {
  const steps: Step[] = [];
  const waits_ms: number[] = [];
  for (const each of nodes) {
    if (each.wanted && each.attachment !== "deleting") continue;
    const step = planUnwanted(each);
    if (typeof step === "number") waits_ms.push(step);
    else if (step) steps.push(step);
  }
  const holders = nodes.filter(({ attachment }) => attachment !== "none").map(({ node }) => node);
  for (const each of nodes) {
    if (!each.wanted) continue;
    const step = planWanted(each, multiAttach ? [] : holders);
    if (!step) continue;
    steps.push(step);
    if (step.do === "attach") holders.push(step.node);
  }
  return { steps, again_ms: waits_ms.length === 0 ? undefined : Math.min(...waits_ms) };
}

/** Returns the step for a node that must not have the volume, or how long to wait for one. */
function planUnwanted(volume: NodeVolume): Step | number | undefined {
  const { node, attachment, listed } = volume;
  switch (attachment) {
    case "none":
    case "deleting":
      return listed ? { do: "withdraw", node } : undefined;
    case "pending":
    case "attached":
      return planDetach(volume);
    default:
      return attachment satisfies never;
  }
}

function planDetach({
  node,
  inUse,
  ready,
  outOfService,
  unwanted_ms,
}: NodeVolume): Step | number | undefined {
  if (!inUse) return { do: "detach", node, force: undefined };
  if (outOfService) return { do: "detach", node, force: "out-of-service" };
  // The kubelet of a ready node unmounts it, and says so.
  if (ready) return undefined;
  const left_ms = UNMOUNT_WAIT_MS - unwanted_ms;
  return left_ms > 0 ? left_ms : { do: "detach", node, force: "timeout" };
}

function planWanted(volume: NodeVolume, holders: readonly string[]): Step | undefined {
  const { node, attachment, listed } = volume;
  switch (attachment) {
    case "none": {
      // A status that says otherwise is wrong, and is corrected before the next attempt.
      if (listed) return { do: "withdraw", node };
      const others = holders.filter((holder) => holder !== node);
      return others.length > 0 ? { do: "refuse", node, others } : { do: "attach", node };
    }
    case "pending":
      return listed ? { do: "withdraw", node } : undefined;
    case "attached":
      return listed ? undefined : { do: "report", node };
    case "deleting":
      return undefined;
    default:
      return attachment satisfies never;
  }
}
