import type { ControllerContext, Running } from "./context.ts";
import { startDeployments } from "./deployment/deployment.ts";
import { startReplicaSets } from "./replicaset/replicaset.ts";

/** All controllers, under upstream's names. */
export const CONTROLLERS: Record<string, (context: ControllerContext) => Running> = {
  "replicaset-controller": startReplicaSets,
  "deployment-controller": startDeployments,
};
