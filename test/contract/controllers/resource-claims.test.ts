import type { Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import { EVENTS, PODS, RESOURCE_CLAIMS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane(["n1"]);
const { eventually } = plane;
const namespace = "default";

test("a pod says whether its resource claim is missing or only not allocated", async () => {
  const pods = plane.admin.resource<Pod>(PODS);
  const name = { namespace, name: "asking" };
  await pods.create({
    metadata: name,
    spec: {
      resourceClaims: [{ name: "gpu", resourceClaimName: "devices" }],
      containers: [{ name: "c", image: "web:1" }],
    },
  });
  const says = (why: string) =>
    eventually(why, async () => {
      const { spec, status } = await pods.get(name);
      expect(spec.nodeName).toBeUndefined();
      return status?.conditions?.some(({ message }) => message?.includes(why));
    });
  await says('resourceclaim "devices" not found (spec.resourceClaims: gpu)');
  await plane.admin
    .resource<ResourceClaim>(RESOURCE_CLAIMS)
    .create({ metadata: { namespace, name: "devices" }, spec: { devices: { requests: [] } } });
  await says('resourceclaim "devices" cannot be allocated');
  await eventually("the event", async () => {
    const { items } = await plane.admin.resource<Event>(EVENTS).list({ namespace });
    return items.some(
      ({ reason, message = "" }) =>
        reason === "FailedScheduling" && message.includes('"devices" cannot be allocated'),
    );
  });
});
