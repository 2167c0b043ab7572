import { isDeepStrictEqual } from "node:util";
import type { Event, Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointHints, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import {
  ENDPOINT_SLICES, EVENTS, NODES, PODS, SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import type { World } from "./world.ts";

const namespace = "default";
const TIMEOUT_MS = 120_000;
const ZONE = "topology.kubernetes.io/zone";
/** Nodes with this label have no part in the zones' CPU. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
const MODE = "service.kubernetes.io/topology-mode";
/** Two nodes of the same size, each the only one of its zone. */
const ZONES = { "hint-a": "zone-a", "hint-b": "zone-b" } as const;
type NodeName = keyof typeof ZONES;

type HintWorld = Pick<World, "clock" | "admin" | "connection">;

/** The hints that every controller of EndpointSlices gives to endpoints. */
export function hintRules(given: () => HintWorld): void {
  const services = () => given().admin.resource<Service>(SERVICES);
  const pods = () => given().admin.resource<Pod>(PODS);
  const nodes = () => given().admin.resource<Node>(NODES);
  let kubelets: HollowKubelet[] = [];
  const others: string[] = [];
  const until = (what: string, holds: () => Promise<boolean>) =>
    waitFor(what, holds, { clock: given().clock, timeout_ms: TIMEOUT_MS / 2 });

  const mark = async (value: string | null) => {
    const labels = { [CONTROL_PLANE]: value };
    for (const name of others) await nodes().patch({ name }, "merge", { metadata: { labels } });
  };
  beforeAll(async () => {
    const { items } = await nodes().list();
    others.push(...items.map(({ metadata }) => metadata.name!));
    await mark("");
    kubelets = await Promise.all(Object.entries(ZONES).map(([name, zone]) =>
      startHollowKubelet(given(), name, { labels: { [ZONE]: zone } })));
  }, TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all(kubelets.map((each) => each.close()));
    for (const { name } of kubelets) await nodes().delete({ name });
    await mark(null);
  }, TIMEOUT_MS);

  const addPod = (app: string, nodeName: NodeName, number: number) => pods().create({
    metadata: { namespace, name: `${app}-${nodeName}-${number}`, labels: { app } },
    spec: {
      nodeName, terminationGracePeriodSeconds: 0, containers: [{ name: "c", image: "c:1" }],
    },
  });
  const addService = (name: string, spec: Service["spec"], annotations = {}) => services().create({
    metadata: { namespace, name, annotations },
    spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
  });
  const endpointsOf = async (name: string): Promise<Endpoint[]> => {
    const { items } = await given().admin.resource<EndpointSlice>(ENDPOINT_SLICES)
      .list({ namespace, labelSelector: `kubernetes.io/service-name=${name}` });
    return items.flatMap(({ endpoints }) => endpoints ?? []);
  };
  /** Waits for so many endpoints of a Service, each with the hints that its node gives. */
  const hinted = async (
    name: string, count: number, hintsOf: (node: NodeName) => EndpointHints | undefined,
  ) => {
    let last: Endpoint[] = [];
    const isHinted = ({ nodeName, hints }: Endpoint) =>
      isDeepStrictEqual(hints, hintsOf(nodeName as NodeName));
    try {
      await until(`hints of ${name}`, async () => {
        last = await endpointsOf(name);
        return last.length === count && last.every(isHinted);
      });
    } catch (thrown) {
      expect(last).toEqual([]);
      throw thrown;
    }
  };
  const event = (name: string, reason: string, message: string) =>
    until(`${reason} of ${name}`, async () => {
      const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
      const { items } = await given().admin.resource<Event>(EVENTS)
        .list({ namespace, fieldSelector });
      return items.some((each) => each.message === message);
    });
  const ofZone = (node: NodeName) => ({ forZones: [{ name: ZONES[node] }] });
  const ofNode = (node: NodeName) => ({ ...ofZone(node), forNodes: [{ name: node }] });
  const none = () => undefined;

  it("trafficDistribution: an endpoint is for its zone, or for its node too", async () => {
    await addPod("near", "hint-a", 0);
    await addPod("near", "hint-b", 0);
    await addService("near", { trafficDistribution: "PreferSameZone" });
    await hinted("near", 2, ofZone);
    const change = (trafficDistribution: string | null) =>
      services().patch({ namespace, name: "near" }, "merge", { spec: { trafficDistribution } });
    await change("PreferSameNode");
    await hinted("near", 2, ofNode);
    await change("PreferClose");
    await hinted("near", 2, ofZone);
    await change(null);
    await hinted("near", 2, none);
  }, TIMEOUT_MS);

  it("topology-mode: zones share by their CPU, when there are endpoints enough", async () => {
    await addPod("auto", "hint-a", 0);
    await addService("auto", {}, { [MODE]: "Auto" });
    await event("auto", "TopologyAwareHintsDisabled",
      "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4");
    await hinted("auto", 1, none);
    await addPod("auto", "hint-a", 1);
    await addPod("auto", "hint-b", 0);
    await addPod("auto", "hint-b", 1);
    await hinted("auto", 4, ofZone);
    await event("auto", "TopologyAwareHintsEnabled",
      "Topology Aware Hints has been enabled, addressType: IPv4");
    const annotations = { [MODE]: null };
    await services().patch({ namespace, name: "auto" }, "merge", { metadata: { annotations } });
    await hinted("auto", 4, none);
  }, TIMEOUT_MS);

  afterAll(async () => {
    for (const name of ["near", "auto"]) {
      await services().delete({ namespace, name });
      await pods().deleteCollection({ namespace, labelSelector: `app=${name}` });
    }
    await until("no pods with hints", async () =>
      (await pods().list({ namespace, labelSelector: "app in (near,auto)" })).items.length === 0);
  }, TIMEOUT_MS);
}
