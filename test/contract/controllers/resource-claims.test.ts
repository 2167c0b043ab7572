import { EVENTS, PODS, RESOURCE_CLAIMS } from "@raft2kube/client-kube/rest/resources.ts";
import { expect, test } from "vitest";
import { fileControlPlane } from "./file-control-plane.ts";

const plane = fileControlPlane(["n1"]);
const { eventually } = plane;
const namespace = "default";

test("a pod says whether its resource claim is missing or only not allocated", async () => {
  const pods = plane.admin.resource(PODS);
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
    .resource(RESOURCE_CLAIMS)
    .create({ metadata: { namespace, name: "devices" }, spec: { devices: { requests: [] } } });
  await says('resourceclaim "devices" cannot be allocated');
  await eventually("the event", async () => {
    const { items } = await plane.admin.resource(EVENTS).list({ namespace });
    return items.some(
      ({ reason, message = "" }) =>
        reason === "FailedScheduling" && message.includes('"devices" cannot be allocated'),
    );
  });
});
