import { isDeepStrictEqual } from "node:util";
import type { Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Endpoint, EndpointHints } from "@raft2kube/api/gen/discovery/v1.ts";
import {
  ENDPOINT_SLICES,
  EVENTS,
  NODES,
  PODS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { PlaneAccess } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

const namespace = "default";
const TIMEOUT_MS = 120_000;
const ZONE = "topology.kubernetes.io/zone";
/** Nodes with this label have no part in the zones' CPU. */
const CONTROL_PLANE = "node-role.kubernetes.io/control-plane";
const MODE = "service.kubernetes.io/topology-mode";
/** Two nodes of the same size, each the only one of its zone. */
const ZONES = { "hint-a": "zone-a", "hint-b": "zone-b" } as const;
type NodeName = keyof typeof ZONES;

/** Pods and Services on two nodes, each of its zone. */
class HintFixture {
  readonly #plane: PlaneAccess;
  #kubelets: HollowKubelet[] = [];
  #others: string[] = [];

  constructor(plane: PlaneAccess) {
    this.#plane = plane;
  }

  get services() {
    return this.#plane.admin.resource(SERVICES);
  }

  get #pods() {
    return this.#plane.admin.resource(PODS);
  }

  get #nodes() {
    return this.#plane.admin.resource(NODES);
  }

  async start(): Promise<void> {
    const { items } = await this.#nodes.list();
    this.#others = items.map(({ metadata }) => metadata.name!);
    await this.#mark("");
    this.#kubelets = await Promise.all(
      Object.entries(ZONES).map(([name, zone]) =>
        startHollowKubelet(this.#plane, name, { labels: { [ZONE]: zone } }),
      ),
    );
  }

  async close(): Promise<void> {
    for (const name of ["near", "auto"]) {
      await this.services.delete({ namespace, name });
      await this.#pods.deleteCollection({ namespace, labelSelector: `app=${name}` });
    }
    const labelSelector = "app in (near,auto)";
    await this.#until(
      "no pods with hints",
      async () => (await this.#pods.list({ namespace, labelSelector })).items.length === 0,
    );
    await Promise.all(this.#kubelets.map((each) => each.close()));
    for (const { name } of this.#kubelets) await this.#nodes.delete({ name });
    await this.#mark(null);
  }

  async #mark(value: string | null): Promise<void> {
    const metadata = { labels: { [CONTROL_PLANE]: value } };
    for (const name of this.#others) await this.#nodes.patch({ name }, "merge", { metadata });
  }

  #until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    return waitFor(what, holds, { timeout_ms: TIMEOUT_MS / 2 });
  }

  addPod(app: string, nodeName: NodeName, number: number): Promise<Pod> {
    const containers = [{ name: "c", image: "c:1" }];
    return this.#pods.create({
      metadata: { namespace, name: `${app}-${nodeName}-${number}`, labels: { app } },
      spec: { nodeName, terminationGracePeriodSeconds: 0, containers },
    });
  }

  addService(name: string, spec: Service["spec"], annotations = {}): Promise<Service> {
    return this.services.create({
      metadata: { namespace, name, annotations },
      spec: { selector: { app: name }, ports: [{ port: 80 }], ...spec },
    });
  }

  async #endpointsOf(name: string): Promise<Endpoint[]> {
    const { items } = await this.#plane.admin
      .resource(ENDPOINT_SLICES)
      .list({ namespace, labelSelector: `kubernetes.io/service-name=${name}` });
    return items.flatMap(({ endpoints }) => endpoints ?? []);
  }

  /** Waits for so many endpoints of a Service, each with the hints that its node gives. */
  async hinted(
    name: string,
    count: number,
    hintsOf: (node: NodeName) => EndpointHints | undefined,
  ): Promise<void> {
    const isHinted = ({ nodeName, hints }: Endpoint) =>
      isDeepStrictEqual(hints, hintsOf(nodeName as NodeName));
    await this.#until(`hints of ${name}`, async () => {
      const endpoints = await this.#endpointsOf(name);
      return endpoints.length === count && endpoints.every(isHinted);
    });
  }

  event(name: string, reason: string, message: string): Promise<unknown> {
    return this.#until(`${reason} of ${name}`, async () => {
      const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
      const { items } = await this.#plane.admin.resource(EVENTS).list({ namespace, fieldSelector });
      return items.some((each) => each.message === message);
    });
  }
}

const ofZone = (node: NodeName) => ({ forZones: [{ name: ZONES[node] }] });
const ofNode = (node: NodeName) => ({ ...ofZone(node), forNodes: [{ name: node }] });
const none = () => undefined;

/** The hints that every controller of EndpointSlices gives to endpoints. */
export function hintRules(given: () => PlaneAccess): void {
  let fixture: HintFixture;
  beforeAll(async () => {
    fixture = new HintFixture(given());
    await fixture.start();
  });
  afterAll(() => fixture?.close());

  it("trafficDistribution: an endpoint is for its zone, or for its node too", async () => {
    await fixture.addPod("near", "hint-a", 0);
    await fixture.addPod("near", "hint-b", 0);
    await fixture.addService("near", { trafficDistribution: "PreferSameZone" });
    await fixture.hinted("near", 2, ofZone);
    const change = (trafficDistribution: string | null) =>
      fixture.services.patch({ namespace, name: "near" }, "merge", {
        spec: { trafficDistribution },
      });
    await change("PreferSameNode");
    await fixture.hinted("near", 2, ofNode);
    await change("PreferClose");
    await fixture.hinted("near", 2, ofZone);
    await change(null);
    await fixture.hinted("near", 2, none);
  });

  it("topology-mode: zones share by their CPU, when there are endpoints enough", async () => {
    await fixture.addPod("auto", "hint-a", 0);
    await fixture.addService("auto", {}, { [MODE]: "Auto" });
    await fixture.event(
      "auto",
      "TopologyAwareHintsDisabled",
      "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4",
    );
    await fixture.hinted("auto", 1, none);
    await fixture.addPod("auto", "hint-a", 1);
    await fixture.addPod("auto", "hint-b", 0);
    await fixture.addPod("auto", "hint-b", 1);
    await fixture.hinted("auto", 4, ofZone);
    await fixture.event(
      "auto",
      "TopologyAwareHintsEnabled",
      "Topology Aware Hints has been enabled, addressType: IPv4",
    );
    const metadata = { annotations: { [MODE]: null } };
    await fixture.services.patch({ namespace, name: "auto" }, "merge", { metadata });
    await fixture.hinted("auto", 4, none);
  });
}
