import type { Endpoints, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { expect, test } from "vitest";
import { isMirrored, planMirror } from "./plan.ts";

const SERVICE: Service = { metadata: { name: "db", namespace: "n" }, spec: { ports: [] } };
const BY_HAND: Endpoints = {
  metadata: { name: "db", namespace: "n", uid: "e", labels: { tier: "back" } },
  subsets: [
    {
      addresses: [{ ip: "192.0.2.1" }, { ip: "2001:db8::1" }],
      notReadyAddresses: [{ ip: "192.0.2.2" }],
      ports: [{ port: 5432, name: "sql" }],
    },
  ],
};

const settle = (made: EndpointSlice[]) =>
  made.map((slice, i) => ({ ...slice, metadata: { ...slice.metadata, name: `db-${i}` } }));

test("only what was written by hand for a Service without a selector is mirrored", () => {
  expect(isMirrored(SERVICE, BY_HAND)).toBe(true);
  expect(isMirrored(undefined, BY_HAND)).toBe(false);
  expect(isMirrored({ ...SERVICE, spec: { selector: { app: "db" } } }, BY_HAND)).toBe(false);
  const labels = { "endpointslice.kubernetes.io/skip-mirror": "true" };
  expect(isMirrored(SERVICE, { metadata: { ...BY_HAND.metadata, labels } })).toBe(false);
});

test("each family has a slice, with ready and unready addresses, owned by the object", () => {
  const { create } = planMirror(BY_HAND, []);
  expect(create.map(({ addressType }) => addressType)).toEqual(["IPv4", "IPv6"]);
  expect(create[0]).toMatchObject({
    metadata: {
      generateName: "db-",
      labels: { tier: "back", "kubernetes.io/service-name": "db" },
      ownerReferences: [{ kind: "Endpoints", uid: "e", controller: true }],
    },
    ports: [{ port: 5432, name: "sql" }],
    endpoints: [
      { addresses: ["192.0.2.1"], conditions: { ready: true } },
      { addresses: ["192.0.2.2"], conditions: { ready: false } },
    ],
  });
});

test("what is there already is left alone", () => {
  const existing = settle(planMirror(BY_HAND, []).create);
  expect(planMirror(BY_HAND, existing)).toEqual({ create: [], update: [], delete: [] });
});

test("a changed address is an update, a changed port another slice", () => {
  const existing = settle(planMirror(BY_HAND, []).create);
  const moved = {
    ...BY_HAND,
    subsets: [{ addresses: [{ ip: "192.0.2.9" }], ports: [{ port: 1 }] }],
  };
  const port = planMirror(moved, existing);
  expect([port.create.length, port.update.length, port.delete.length]).toEqual([1, 0, 2]);
  const { ports } = BY_HAND.subsets![0]!;
  const address = planMirror({ ...moved, subsets: [{ ...moved.subsets[0], ports }] }, existing);
  expect([address.create.length, address.update.length, address.delete.length]).toEqual([0, 1, 1]);
  expect(address.update[0]!.endpoints).toMatchObject([{ addresses: ["192.0.2.9"] }]);
});

test("nothing of it stays once it is not mirrored any more", () => {
  const existing = settle(planMirror(BY_HAND, []).create);
  expect(planMirror(undefined, existing).delete).toEqual(existing);
});

test("a subset's ports are read for the subset, not for each of its addresses", () => {
  let reads = 0;
  const port = {
    get port() {
      reads += 1;
      return 80;
    },
  };
  const addresses = Array.from({ length: 1_000 }, (_, at) => ({
    ip: `10.0.${at >> 8}.${at & 255}`,
  }));
  const { create } = planMirror({ ...BY_HAND, subsets: [{ addresses, ports: [port] }] }, []);
  expect(create).toHaveLength(1);
  expect(reads).toBeLessThan(10);
});

test("subsets of the same ports have one slice, with no more addresses than one may have", () => {
  const subset = (second: number) => ({
    addresses: Array.from({ length: 600 }, (_, at) => ({
      ip: `10.${second}.${at >> 8}.${at & 255}`,
    })),
    ports: [{ port: 80 }],
  });
  const { create } = planMirror({ ...BY_HAND, subsets: [subset(1), subset(2)] }, []);
  expect(create.map(({ endpoints }) => endpoints?.length)).toEqual([1_000]);
});
