import type { StepKind, StepOf } from "../plan/step.ts";
import { applyAddOns } from "./add-ons.ts";
import type { Context } from "./context.ts";
import {
  applyAddControlPlane,
  applyControlPlanes,
  applyRemoveControlPlane,
  applyStopControlPlane,
} from "./control-planes.ts";
import { applyDashboard } from "./dashboard.ts";
import { applyAnswer, applyDemo } from "./demo.ts";
import { applyFiles } from "./files.ts";
import { applyIngress } from "./ingress.ts";
import { applyGuestMode, applyMode } from "./mode.ts";
import { applyNetwork } from "./network.ts";
import { applyNodes } from "./nodes.ts";
import { applyProcesses } from "./processes.ts";
import { applyReady } from "./ready.ts";
import { applyPurge, applyRemove } from "./remove.ts";
import { applyRemoveNode, applyStopNode } from "./remove-node.ts";

const APPLY: {
  readonly [K in StepKind]: (step: StepOf<K>, context: Context) => Promise<void>;
} = {
  files: applyFiles,
  network: applyNetwork,
  "control-planes": applyControlPlanes,
  processes: applyProcesses,
  "add-ons": applyAddOns,
  ready: applyReady,
  nodes: applyNodes,
  demo: applyDemo,
  answer: applyAnswer,
  ingress: applyIngress,
  dashboard: applyDashboard,
  mode: applyMode,
  "guest-mode": applyGuestMode,
  "stop-control-plane": applyStopControlPlane,
  "remove-control-plane": applyRemoveControlPlane,
  "add-control-plane": applyAddControlPlane,
  "stop-node": applyStopNode,
  "remove-node": applyRemoveNode,
  remove: applyRemove,
  purge: applyPurge,
};

/** Applies a step. One that was interrupted, or done before, can be done again. */
export function apply<K extends StepKind>(step: StepOf<K>, context: Context): Promise<void> {
  return APPLY[step.kind](step, context);
}
