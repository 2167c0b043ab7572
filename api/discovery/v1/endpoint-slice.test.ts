import { expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import type { Endpoint, EndpointSlice } from "../../gen/discovery/v1.ts";
import { endpointSlice } from "./endpoint-slice.ts";

const CONTEXT = { now_ms: 0 };
const on = (hostname: string, more: Partial<Endpoint> = {}): Endpoint => ({
  addresses: ["10.0.0.1"],
  deprecatedTopology: { "kubernetes.io/hostname": hostname, zone: "z" },
  ...more,
});

const slice = (...endpoints: Endpoint[]) =>
  decodeJson<EndpointSlice>("discovery/v1.EndpointSlice", {
    metadata: { name: "s", namespace: "n" },
    addressType: "IPv4",
    endpoints,
  }).object;

it("labels of an earlier version are dropped, except from endpoints that stay", () => {
  const made = slice(on("a"), on("b", { nodeName: "b" }));
  endpointSlice.strategy.prepareCreate(made, CONTEXT);
  expect(made.endpoints).toEqual([
    { addresses: ["10.0.0.1"], conditions: {} },
    { addresses: ["10.0.0.1"], conditions: {}, nodeName: "b" },
  ]);
  const stored = slice(on("a"), on("Not_A_Name"));
  const same = structuredClone(stored);
  endpointSlice.strategy.prepareUpdate(same, stored, CONTEXT);
  expect(same.endpoints).toEqual(stored.endpoints);
  // A node that the old slice names by its label alone is kept.
  const changed = slice(on("a"), on("Not_A_Name"), on("c"));
  endpointSlice.strategy.prepareUpdate(changed, stored, CONTEXT);
  expect(changed.endpoints).toEqual([
    { addresses: ["10.0.0.1"], conditions: {}, nodeName: "a" },
    { addresses: ["10.0.0.1"], conditions: {} },
    { addresses: ["10.0.0.1"], conditions: {} },
  ]);
});
