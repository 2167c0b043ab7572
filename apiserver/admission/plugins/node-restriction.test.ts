import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type NodePart, nodeUser } from "@raft2kube/api/node-users.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../../testing/turns.ts";
import { NODE_ADDRESS_KEPT_MS, NODE_CAPACITIES_MAX } from "../../limits.ts";
import type { Resource } from "../../resource/resource.ts";
import type { AdmissionContext } from "../context.ts";
import { admissionRequest } from "../plugin.ts";
import { nodeRestriction } from "./node-restriction.ts";

const resourceOf = (group: string, plural: string) =>
  ({ kind: { group, plural }, subject: { group, kind: plural } }) as unknown as Resource;
const LEASES = resourceOf("coordination.k8s.io", "leases");

const lease = (...finalizers: string[]): KubeObject => ({
  apiVersion: "coordination.k8s.io/v1",
  kind: "Lease",
  metadata: { name: "n1", namespace: "kube-node-lease", finalizers },
});

function requestOf(
  object: KubeObject,
  old: KubeObject | undefined,
  resource = LEASES,
  subresource = "",
) {
  const user = { name: "system:node:n1", groups: ["system:nodes"], uid: "", extra: {} };
  const given = { user, dryRun: false, subresource, warnings: [] };
  const operation = old ? "UPDATE" : "CREATE";
  return admissionRequest(operation, resource, { name: "n1" }, { object, old }, given);
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

test("a node's other parts have no finalizers but the one of the provisioner's volumes", async () => {
  const plugin = nodeRestriction({} as AdmissionContext);
  const own = "external-provisioner.volume.kubernetes.io/finalizer";
  const write = (part: NodePart, plural: string, finalizers: string[]) => {
    const { name, group } = nodeUser(part, "n1");
    const object: KubeObject = { metadata: { name: "x", finalizers } } as never;
    const request = requestOf(object, undefined, resourceOf("", plural));
    return plugin.admit?.({ ...request, user: { ...request.user, name, groups: [group] } });
  };
  const why = "is not allowed to modify finalizers";
  for (const plural of ["csistoragecapacities", "events", "persistentvolumes"]) {
    expect(() => write("csi-provisioner", plural, ["kept"])).toThrow(why);
  }
  expect(() => write("proxy", "events", ["kept"])).toThrow(why);
  expect(() => write("csi-provisioner", "csistoragecapacities", [own])).toThrow(why);
  await write("csi-provisioner", "persistentvolumes", [own]);
});

test.each([
  { resourceClaimStatuses: [{ name: "gpu", resourceClaimName: "theirs" }] },
  { extendedResourceClaimStatus: { resourceClaimName: "theirs", requestMappings: [] } },
])("a kubelet names no ResourceClaim in the status of its pod: %j", async (named) => {
  const pod = (status: object): KubeObject =>
    ({
      metadata: { name: "p", namespace: "n" },
      spec: { nodeName: "n1", containers: [] },
      status,
    }) as never;
  const { validate } = nodeRestriction({} as AdmissionContext);
  const write = async (now: object, before: object) =>
    validate?.(requestOf(pod(now), pod(before), resourceOf("", "pods"), "status"));
  await expect(write(named, {})).rejects.toThrow(`cannot update status.${Object.keys(named)[0]}`);
  await expect(write({}, named)).rejects.toThrow("cannot update status.");
  await write({ ...named, phase: "Running" }, named);
});

test("a node's pod counts for no more in quotas than it asks for, or had", async () => {
  const lists = (cpu: string) => ({ requests: { cpu }, limits: { cpu } });
  const pod = (asks: string, has: { allocated: string; cpu: string } | undefined): KubeObject => {
    const status = has && { allocatedResources: { cpu: has.allocated }, resources: lists(has.cpu) };
    return {
      metadata: { name: "p", namespace: "n" },
      spec: { nodeName: "n1", containers: [{ name: "c", resources: lists(asks) }] },
      status: { containerStatuses: status ? [{ name: "c", ...status }] : [] },
    } as never;
  };
  const { validate } = nodeRestriction({} as AdmissionContext);
  const write = async (now: KubeObject, before: KubeObject) =>
    validate?.(requestOf(now, before, resourceOf("", "pods"), "status"));
  await write(pod("1", { allocated: "1", cpu: "1000m" }), pod("1", undefined));
  const larger = { allocated: "2", cpu: "2" };
  await write(pod("1", larger), pod("1", larger));
  await write(pod("2", larger), pod("2", { allocated: "1", cpu: "1" }));
  for (const has of [
    { ...larger, cpu: "1" },
    { ...larger, allocated: "1" },
  ]) {
    const why = "cannot raise the requests of cpu to 2";
    await expect(write(pod("1", has), pod("1", undefined))).rejects.toThrow(why);
  }
});

test.each([
  [{}, ["v1"]],
  [undefined, ["v1"]],
  [{ volumesAttached: [{ name: "v1", devicePath: "" }] }, undefined],
])("a node lists no volumes as attached, each of which a write withdraws: %j", async (old, now) => {
  const node = (status: object | undefined) =>
    status && ({ metadata: { name: "n1" }, status } as unknown as KubeObject);
  const volumesAttached = now?.map((name) => ({ name, devicePath: "" }));
  const request = requestOf(
    node({ volumesAttached })!,
    node(old),
    resourceOf("", "nodes"),
    old && "status",
  );
  const { validate } = nodeRestriction({} as AdmissionContext);
  await expect(validate?.(request)).rejects.toThrow("is not allowed to modify volumesAttached");
});

test("a node reports no address of a load balancer of this cluster's", async () => {
  const service = (loadBalancerClass?: string) => ({
    fields: { "spec.type": "LoadBalancer" },
    namespace: "n",
    name: "web",
    object: () => ({
      spec: { type: "LoadBalancer", loadBalancerClass },
      status: { loadBalancer: { ingress: [{ ip: "192.0.2.80" }] } },
    }),
  });
  const node = (address: string): KubeObject =>
    ({
      metadata: { name: "n1" },
      status: { addresses: [{ type: "ExternalIP", address }] },
    }) as never;
  const report = async (address: string, services: object[]) => {
    const of = (_group: string, plural: string) => ({
      cache: async () => ({ list: () => (plural === "services" ? services : []) }),
    });
    const { validate } = nodeRestriction({ resources: { of }, clock: systemClock() } as never);
    await validate?.(requestOf(node(address), node(""), resourceOf("", "nodes"), "status"));
  };
  const why = "is not allowed to have the address 192.0.2.80 of Service n/web";
  for (const text of ["192.0.2.80", "::ffff:192.0.2.80"]) {
    await expect(report(text, [service()])).rejects.toThrow(why);
  }
  await report("192.0.2.81", [service()]);
  await report("192.0.2.80", [service("example.com/other")]);
  using turns = new CountedTurns();
  const read: number[] = [];
  const clock = systemClock();
  const large = {
    ...service(),
    object() {
      read.push(turns.now);
      const until_ms = clock.monotonic() + 12;
      while (clock.monotonic() < until_ms);
      return { spec: {} };
    },
  };
  await report("192.0.2.80", [large, large, large]);
  expect(read).toHaveLength(3);
  expect(mostInOneTurn(read)).toBe(1);
});

test("a node that is starting again keeps its addresses for a while, from others", async () => {
  const begun_ms = Date.parse("2026-01-01T00:00:00Z");
  const other = (status: string) => ({
    metadata: { name: "n2" },
    status: {
      addresses: [{ type: "InternalIP", address: "192.0.2.2" }],
      conditions: [{ type: "Ready", status, lastTransitionTime: "2026-01-01T00:00:00Z" }],
    },
  });
  const node = (address: string): KubeObject =>
    ({
      metadata: { name: "n1" },
      status: { addresses: [{ type: "ExternalIP", address }] },
    }) as never;
  const report = async (status: string, after_ms: number) => {
    const of = (_group: string, plural: string) => ({
      cache: async () => ({
        list: () => (plural === "nodes" ? [{ shared: () => other(status) }] : []),
      }),
    });
    const clock = { now: () => begun_ms + after_ms };
    const { validate } = nodeRestriction({ resources: { of }, clock } as never);
    await validate?.(requestOf(node("192.0.2.2"), node(""), resourceOf("", "nodes"), "status"));
  };
  const why = "is not allowed to have the address 192.0.2.2 of Node n2";
  await expect(report("True", NODE_ADDRESS_KEPT_MS)).rejects.toThrow(why);
  await expect(report("Unknown", NODE_ADDRESS_KEPT_MS - 1)).rejects.toThrow(why);
  await report("Unknown", NODE_ADDRESS_KEPT_MS);
});

test("a node has no other Node's name in a label by which pods are kept to that one", async () => {
  const nodes = new Map([["/registry/nodes/n2", {}]]);
  const kind = { plural: "nodes", namespaced: false, storage: { prefix: "nodes" } };
  const resources = { of: () => ({ kind, cache: async () => nodes }) };
  const node = (labels: Record<string, string>): KubeObject =>
    ({ metadata: { name: "n1", labels } }) as never;
  const { validate } = nodeRestriction({ resources } as unknown as AdmissionContext);
  const label = async (now: Record<string, string>, before?: Record<string, string>) =>
    validate?.(requestOf(node(now), before && node(before), resourceOf("", "nodes")));
  for (const key of ["kubernetes.io/hostname", "topology.csi.example/node"]) {
    const why = `is not allowed to have the name of Node n2 in the label ${key}`;
    await expect(label({ [key]: "n2" }, { [key]: "n1" })).rejects.toThrow(why);
    await expect(label({ [key]: "n2" })).rejects.toThrow(why);
    // An administrator may have written it.
    await label({ [key]: "n2" }, { [key]: "n2" });
    for (const value of ["n1", "worker"]) await label({ [key]: value });
  }
  await label({ "example.com/beside": "n2" });
});

test("a node makes no pod under a name that a StatefulSet needs", async () => {
  const mirror = (name: string): KubeObject =>
    ({
      metadata: { name, annotations: { "kubernetes.io/config.mirror": "x" } },
      spec: { nodeName: "n1" },
    }) as never;
  const { validate } = nodeRestriction({} as AdmissionContext);
  const make = async (name: string) =>
    validate?.(requestOf(mirror(name), undefined, resourceOf("", "pods")));
  for (const name of ["web-0", "n1"]) {
    await expect(make(name)).rejects.toThrow('can only create pods whose names end with "-n1"');
  }
  await expect(make("web-n1")).rejects.toThrow("can only create pods owned by itself");
});

test("a user gives no pod the form of those that a node makes, which count for no quota", async () => {
  const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "of-a-token", controller: true };
  const annotations = { "kubernetes.io/config.mirror": "x" };
  const pod = (...ownerReferences: object[]): KubeObject =>
    ({ metadata: { name: "p", annotations, ownerReferences }, spec: { nodeName: "n1" } }) as never;
  const { validate } = nodeRestriction({} as AdmissionContext);
  const write = async (now: KubeObject, old?: KubeObject, group = "tenants") => {
    const request = requestOf(now, old, resourceOf("", "pods"));
    await validate?.({ ...request, user: { ...request.user, name: "alice", groups: [group] } });
  };
  const why = "only the node itself can own a mirror pod";
  await expect(write(pod(owner))).rejects.toThrow(why);
  await expect(write(pod(owner), pod())).rejects.toThrow(why);
  await write(pod({ ...owner, name: "n2" }));
  // Users may label a pod that its node made; an administrator restores it.
  await write(pod(owner), pod(owner));
  await write(pod(owner), undefined, "system:masters");
});

test("a node has no disk attached to it by a pod of its own", async () => {
  const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: "u", controller: true };
  const pod = (volume: object): KubeObject =>
    ({
      metadata: {
        name: "web-n1",
        namespace: "n",
        annotations: { "kubernetes.io/config.mirror": "x" },
        ownerReferences: [owner],
      },
      spec: { nodeName: "n1", containers: [], volumes: [{ name: "v", ...volume }] },
    }) as never;
  const nodes = { store: { find: async () => ({ metadata: owner }) } };
  const { validate } = nodeRestriction({ resources: { of: () => nodes } } as never);
  const make = async (volume: object) =>
    validate?.(requestOf(pod(volume), undefined, resourceOf("", "pods")));
  await make({ hostPath: { path: "/etc/kubernetes" } });
  const disk = { awsElasticBlockStore: { volumeID: "vol-theirs" } };
  await expect(make(disk)).rejects.toThrow("pods that reference awsElasticBlockStore");
});

test("a node publishes a bounded number of capacities, of a bounded topology", async () => {
  const of = (node: string, values?: string[]) => ({
    metadata: { name: "x", namespace: "n" },
    nodeTopology: {
      matchLabels: { "topology.example/node": node },
      ...(values && { matchExpressions: [{ key: "zone", operator: "In", values }] }),
    },
  });
  const { name, group } = nodeUser("csi-provisioner", "n1");
  const publish = async (own: number, values?: string[]) => {
    const all = Array.from({ length: NODE_CAPACITIES_MAX + own }, (_, i) => {
      return { shared: () => of(i < own ? "n1" : "n2") };
    });
    const resources = { of: () => ({ cache: async () => ({ list: () => all }) }) };
    const { validate } = nodeRestriction({ resources } as never);
    const resource = resourceOf("storage.k8s.io", "csistoragecapacities");
    const request = requestOf(of("n1", values), undefined, resource);
    await validate?.({ ...request, user: { ...request.user, name, groups: [group] } });
  };
  await publish(NODE_CAPACITIES_MAX - 1, ["a"]);
  await expect(publish(0, Array(1_000).fill("zone"))).rejects.toThrow("may not publish a topology");
  const why = `may not publish more than ${NODE_CAPACITIES_MAX} capacities`;
  await expect(publish(NODE_CAPACITIES_MAX)).rejects.toThrow(why);
});

test("a node does not say to which size the volume of a claim is to grow", async () => {
  const claim = (status: object): KubeObject =>
    ({ metadata: { name: "data", namespace: "n" }, spec: {}, status }) as KubeObject;
  const { validate } = nodeRestriction({} as AdmissionContext);
  const before = { capacity: { storage: "1Gi" }, allocatedResources: { storage: "2Gi" } };
  const write = async (now: object) => {
    const resource = resourceOf("", "persistentvolumeclaims");
    await validate?.(requestOf(claim(now), claim(before), resource, "status"));
  };
  const grows = { allocatedResourceStatuses: { storage: "NodeResizeInProgress" } };
  await write({ ...before, ...grows, capacity: { storage: "2Gi" } });
  const further = { ...before, allocatedResources: { storage: "9Ti" } };
  await expect(write(further)).rejects.toThrow("is not allowed to update fields other than");
});
