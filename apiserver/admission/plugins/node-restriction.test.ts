import type { KubeObject } from "@raft2kube/api/kind.ts";
import { expect, test } from "vitest";
import type { Resource } from "../../resource/resource.ts";
import type { AdmissionContext } from "../context.ts";
import { admissionRequest } from "../plugin.ts";
import { nodeRestriction } from "./node-restriction.ts";

const RESOURCE = {
  kind: { group: "coordination.k8s.io", plural: "leases" },
  subject: { group: "coordination.k8s.io", kind: "leases" },
} as unknown as Resource;

const lease = (...finalizers: string[]): KubeObject => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "n1", namespace: "kube-node-lease", finalizers },
});

function requestOf(object: KubeObject, old: KubeObject | undefined) {
  const user = { name: "system:node:n1", groups: ["system:nodes"], uid: "", extra: {} };
  const given = { user, dryRun: false, subresource: "", warnings: [] };
  const operation = old ? "UPDATE" : "CREATE";
  return admissionRequest(operation, RESOURCE, { name: "n1" }, { object, old }, given);
}

test("a kubelet's finalizers are refused, those that a webhook adds are not", async () => {
  const plugin = nodeRestriction({} as AdmissionContext);
  const why = "is not allowed to modify finalizers";
  expect(() => plugin.admit?.(requestOf(lease("own"), undefined))).toThrow(why);
  expect(() => plugin.admit?.(requestOf(lease(), lease("other")))).toThrow(why);
  for (const old of [undefined, lease()]) {
    const request = requestOf(lease(), old);
    await plugin.admit?.(request);
    request.object = lease("webhook");
    request.reinvocation.isSecond = true;
    await plugin.admit?.(request);
    await plugin.validate?.(request);
  }
});
