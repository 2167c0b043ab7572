import type { AdmissionContext } from "../context.ts";
import type { AdmissionRequest } from "../plugin.ts";

/** Checks a write of a part of a node. Throws 403. */
export type NodeCheck = (
  request: AdmissionRequest,
  node: string,
  context: AdmissionContext,
) => Promise<void> | void;
