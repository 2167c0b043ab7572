import type { Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import { EVENTS, PODS, RESOURCE_CLAIMS } from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { startWorld, type World } from "./world.ts";

let world: World;
let kubelet: HollowKubelet;
const namespace = "default";

beforeAll(async () => {
  world = await startWorld();
  kubelet = await startHollowKubelet(world, "n1");
});

afterAll(async () => {
  await kubelet.close();
  await world.close();
});

function eventually<T>(what: string, probe: () => Promise<T>) {
  return waitFor(what, probe, { clock: world.clock, timeout_ms: 50_000, interval_ms: 20 });
}

test("a pod says whether its resource claim is missing or only not allocated", async () => {
  const pods = world.admin.resource<Pod>(PODS);
  const name = { namespace, name: "asking" };
  await pods.create({
    metadata: name,
    spec: {
      resourceClaims: [{ name: "gpu", resourceClaimName: "devices" }],
      containers: [{ name: "c", image: "web:1" }],
    },
  });
  const says = (why: string) => eventually(why, async () => {
    const { spec, status } = await pods.get(name);
    expect(spec.nodeName).toBeUndefined();
    return status?.conditions?.some(({ message }) => message?.includes(why));
  });
  await says('resourceclaim "devices" not found (spec.resourceClaims: gpu)');
  await world.admin.resource<ResourceClaim>(RESOURCE_CLAIMS).create({
    metadata: { namespace, name: "devices" }, spec: { devices: { requests: [] } },
  });
  await says('resourceclaim "devices" cannot be allocated');
  await eventually("the event", async () => {
    const { items } = await world.admin.resource<Event>(EVENTS).list({ namespace });
    return items.some(({ reason, message = "" }) =>
      reason === "FailedScheduling" && message.includes('"devices" cannot be allocated'));
  });
});
