import type { IPAddress, ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import { describe, expect, it } from "vitest";
import { doOverlap, mayKeep, planServiceCidr, says } from "./plan.ts";

const DELETED = "2026-01-01T00:00:00Z";
const DELETED_MS = Date.parse(DELETED);

const range = (name: string, cidrs: string[], deletionTimestamp?: string): ServiceCIDR => ({
  metadata: { name, uid: name, ...(deletionTimestamp && { deletionTimestamp }) },
  spec: { cidrs },
});

const address = (name: string, manager = "ipallocator.k8s.io"): IPAddress => ({
  metadata: { name, labels: { "ipaddress.kubernetes.io/managed-by": manager } },
  spec: { parentRef: { resource: "services", namespace: "n", name: "s" } },
});

const does = (cidrs: string[], others: string[][], names: string[], after_ms = 10_000) =>
  planServiceCidr(
    range("a", cidrs, DELETED),
    others.map((each, index) => range(`o${index}`, each)),
    names.map((name) => address(name)),
    DELETED_MS + after_ms,
  ).do;

it("one that is there is ready, and says it once", () => {
  const found = range("a", ["10.0.0.0/24"]);
  const plan = planServiceCidr(found, [], [], 0);
  expect(plan).toMatchObject({
    do: "protect",
    condition: { status: "True", message: "Kubernetes Service CIDR is ready" },
  });
  if (plan.do !== "protect") return;
  expect(says(found, plan.condition)).toBe(false);
  const lastTransitionTime = DELETED;
  const status = { conditions: [{ ...plan.condition, lastTransitionTime }] };
  expect(says({ ...found, status }, plan.condition)).toBe(true);
});

// The cases of upstream's TestController_canDeleteCIDR.
describe("one that is being deleted", () => {
  it.each<[string, string[], string[][], string[], string]>([
    ["has no addresses", ["192.168.0.0/24"], [], [], "release"],
    ["has an address", ["192.168.0.0/24"], [], ["192.168.0.24"], "block"],
    [
      "has an address of each family",
      ["192.168.0.0/24", "2001:db2::/96"],
      [],
      ["2001:db2::3"],
      "block",
    ],
    [
      "has the same range as another",
      ["192.168.0.0/24"],
      [["192.168.0.0/24"]],
      ["192.168.0.24"],
      "release",
    ],
    ["is within another", ["192.168.0.0/24"], [["192.168.0.0/16"]], ["192.168.0.24"], "release"],
    [
      "holds another, which has the address",
      ["192.168.0.0/16"],
      [["192.168.0.0/24"]],
      ["192.168.0.24"],
      "release",
    ],
    [
      "holds another, which has not the address",
      ["192.168.0.0/16"],
      [["192.168.0.0/24"]],
      ["192.168.1.24"],
      "block",
    ],
    [
      "is within another in one family alone",
      ["192.168.0.0/24", "2001:db2::/96"],
      [["192.168.0.0/16"]],
      ["2001:db2::3"],
      "block",
    ],
    [
      "has the broadcast address of another",
      ["192.168.0.0/16"],
      [["192.168.0.0/24"]],
      ["192.168.0.255"],
      "block",
    ],
    ["is beside another", ["192.168.0.0/24"], [["192.168.1.0/24"]], ["192.168.1.5"], "release"],
  ])("and %s", (_what, cidrs, others, names, wanted) => {
    expect(does(cidrs, others, names)).toBe(wanted);
  });

  it("stays until every apiserver knows of it", () => {
    const found = range("a", ["10.0.0.0/24"], DELETED);
    const plan = planServiceCidr(found, [], [], DELETED_MS + 4_000);
    expect(plan).toEqual({ do: "wait", again_ms: 6_000 });
    expect(does(["10.0.0.0/24"], [], ["10.0.0.9"], 0)).toBe("block");
  });

  it("is not kept by addresses that others have taken", () => {
    const others = [address("10.0.0.9", "example.com")];
    const found = range("a", ["10.0.0.0/24"], DELETED);
    expect(planServiceCidr(found, [], others, DELETED_MS + 10_000).do).toBe("release");
    expect(mayKeep(found, others[0]!)).toBe(false);
    expect(mayKeep(found, address("10.0.0.9"))).toBe(true);
  });
});

it("a change concerns those whose ranges overlap", () => {
  const found = range("a", ["10.0.0.0/24", "fd00::/96"]);
  expect(doOverlap(found, range("b", ["10.0.0.0/16"]))).toBe(true);
  expect(doOverlap(found, range("b", ["10.1.0.0/16", "fd00::/48"]))).toBe(true);
  expect(doOverlap(found, range("b", ["10.1.0.0/16"]))).toBe(false);
});
