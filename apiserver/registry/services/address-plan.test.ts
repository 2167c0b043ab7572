import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { CountedTurns, mostInOneTurn } from "../../../testing/turns.ts";
import type { Resource } from "../../resource/resource.ts";
import { type AddressPlan, planAddresses } from "./address-plan.ts";
import { ClusterIps, type IpAddress } from "./cluster-ips.ts";
import type { NodePorts } from "./node-ports.ts";
import { ServiceRepair } from "./repair.ts";
import { heldPorts, reservingPart, type Service } from "./service.ts";
import { type ServiceCidr, serviceCidr } from "./service-cidr.ts";

const RANGES: ServiceCidr[] = [serviceCidr("10.96.0.0/16")!];
const LABELS = {
  "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
  "ipaddress.kubernetes.io/ip-family": "IPv4",
};

const service = (name: string, clusterIP: string, spec: object = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "n", name, uid: `uid-${name}` },
  spec: { clusterIP, clusterIPs: [clusterIP], ...spec },
});

const address = (name: string, of: string, labels: object = LABELS): IpAddress => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "IPAddress",
  metadata: { name, uid: `uid-${name}`, labels: { ...labels } },
  spec: { parentRef: { resource: "services", namespace: "n", name: of } },
});

/** Describes a plan, a line for each step. */
function summaryOf({ mends, leaks, warnings }: AddressPlan): string[] {
  return [
    ...mends.map(
      ({ service, address, replaces }) =>
        `${replaces ? "replace" : "create"} ${address} for ${service.metadata.name}`,
    ),
    ...leaks.map(({ address, warning }) => `${warning.reason} ${address.metadata.name}`),
    ...warnings.map(({ about, reason }) => `${reason} ${about.metadata.name}`),
  ];
}

const OTHER: IpAddress = {
  ...address("10.96.0.5", "g"),
  spec: { parentRef: { group: "example.com", resource: "gateways", name: "g" } },
};

// The cases of upstream's TestRepairServiceIP and TestRepairServiceIP_IPAddressOwner.
it.each<[string, Service[], IpAddress[], string[]]>([
  ["agree", [service("a", "10.96.0.5")], [address("10.96.0.5", "a")], []],
  ["the object is missing", [service("a", "10.96.0.5")], [], ["create 10.96.0.5 for a"]],
  [
    "the object refers to a Service that is gone",
    [service("a", "10.96.0.5")],
    [address("10.96.0.5", "gone")],
    ["replace 10.96.0.5 for a"],
  ],
  [
    "the object refers to something else",
    [service("a", "10.96.0.5")],
    [OTHER],
    ["replace 10.96.0.5 for a"],
  ],
  [
    "the object has lost its labels",
    [service("a", "10.96.0.5")],
    [address("10.96.0.5", "a", {})],
    ["replace 10.96.0.5 for a"],
  ],
  [
    "the object is labelled as of the other family",
    [service("a", "10.96.0.5")],
    [address("10.96.0.5", "a", { ...LABELS, "ipaddress.kubernetes.io/ip-family": "IPv6" })],
    ["replace 10.96.0.5 for a"],
  ],
  [
    "two Services have one address",
    [service("a", "10.96.0.5"), service("b", "10.96.0.5")],
    [address("10.96.0.5", "a")],
    ["ClusterIPAlreadyAllocated b"],
  ],
  ["an address of no range", [service("a", "192.168.0.5")], [], ["ClusterIPOutOfRange a"]],
  ["a broadcast address", [service("a", "10.96.255.255")], [], ["ClusterIPOutOfRange a"]],
  [
    "nothing holds the object",
    [],
    [address("10.96.0.5", "a")],
    ["IPAddressNotAllocated 10.96.0.5"],
  ],
  [
    "the Service has another address",
    [service("a", "10.96.0.6")],
    [address("10.96.0.5", "a"), address("10.96.0.6", "a")],
    ["IPAddressWrongReference 10.96.0.5"],
  ],
  [
    "an object of this allocator that refers to something else",
    [],
    [OTHER],
    ["IPAddressNotAllocated 10.96.0.5"],
  ],
  ["an object of others", [], [address("10.96.0.5", "a", {})], []],
  [
    "Services without an address",
    [service("a", "None"), service("b", "", { type: "ExternalName" })],
    [],
    [],
  ],
  [
    "the second address of a Service of two families",
    [service("a", "10.96.0.5", { clusterIPs: ["10.96.0.5", "fd00::5"] })],
    [address("10.96.0.5", "a"), address("fd00::5", "a")],
    [],
  ],
])("%s", (_what, services, addresses, wanted) => {
  expect(summaryOf(planAddresses(services, addresses, RANGES))).toEqual(wanted);
});

it("Services and addresses, which may be large, are read in turns of the event loop", async () => {
  using turns = new CountedTurns();
  const read: number[] = [];
  const clock = systemClock();
  const entryOf = (object: object) => ({
    object() {
      read.push(turns.now);
      // As long as a large one takes.
      const until_ms = clock.monotonic() + 12;
      while (clock.monotonic() < until_ms);
      return object;
    },
  });
  const exposed = (name: string, nodePort: number) =>
    service(name, "None", { type: "NodePort", ports: [{ nodePort }] });
  const lists: Record<string, object[]> = {
    services: [exposed("a", 30_001), exposed("b", 30_002), exposed("c", 30_003)],
    ipaddresses: [address("10.96.0.1", "a", {}), address("10.96.0.2", "b", {})],
  };
  const of = (_version: string, plural: string) => {
    const entries = (lists[plural] ?? []).map(entryOf);
    return { freshCache: () => Promise.resolve({ list: () => entries, state: {} }) };
  };
  const writer = { clock, resources: { of } } as unknown as ConstructorParameters<
    typeof ServiceRepair
  >[0];
  let marked: readonly number[] = [];
  const ports = {
    taken: () => Promise.resolve(new Set<number>()),
    mark: (missing: readonly number[]) => Promise.resolve(void (marked = missing)),
    release: () => Promise.resolve(),
  } as unknown as NodePorts;
  const services = of("v1", "services") as unknown as Resource;
  const repair = new ServiceRepair(writer, services, new ClusterIps(writer), ports);
  await repair.start();
  await repair.close();
  expect(marked).toEqual([30_001, 30_002, 30_003]);
  // The first of the Services may follow the last address in its turn.
  expect(read).toHaveLength(5);
  expect(mostInOneTurn(read.slice(0, 2))).toBe(1);
  expect(mostInOneTurn(read.slice(2))).toBe(1);
});

it("the part of a Service that is compared holds the ports that the Service does", () => {
  const ports = [{ port: 80, nodePort: 30_001 }, { port: 81 }];
  const checked = { externalTrafficPolicy: "Local", healthCheckNodePort: 30_002 };
  const local = service("local", "10.96.0.9", { type: "LoadBalancer", ports, ...checked });
  expect(heldPorts(reservingPart(local))).toEqual(new Set([30_001, 30_002]));
});
