import { describe, expect, it } from "vitest";
import { endpoints } from "../core/v1/endpoints.ts";
import { service } from "../core/v1/service/service.ts";
import { endpointSlice } from "../discovery/v1/endpoint-slice.ts";
import { validateNonSpecialIp } from "./addresses.ts";

describe("addresses that are the node's own are refused, however they are spelled", () => {
  it.each([
    ["0.0.0.0", "unspecified"],
    ["::", "unspecified"],
    ["127.8.9.1", "loopback"],
    ["0:0:0:0:0:0:0:1", "loopback"],
    ["::ffff:127.0.0.1", "IPv4-mapped"],
    ["::ffff:7f00:1", "IPv4-mapped"],
    ["169.254.169.254", "link-local range"],
    ["fe90::1", "link-local range"],
    ["224.0.0.251", "link-local multicast"],
    ["FF02::1", "link-local multicast"],
  ])("%s is %s", (address, range) => {
    const [error, ...more] = validateNonSpecialIp(address, "path");
    expect(error?.detail).toContain(range);
    expect(more).toEqual([]);
  });

  it.each(["10.0.0.1", "224.0.1.1", "2001:db8::1"])("%s is not", (address) => {
    expect(validateNonSpecialIp(address, "path")).toEqual([]);
  });
});

describe("CVE-2021-25737: no Service leads to one", () => {
  const metadata = { name: "x", namespace: "default" };
  const CONTEXT = { now_ms: 0 };
  const fieldsOf = (errors: readonly { field: string }[]) => errors.map(({ field }) => field);

  it("by an EndpointSlice", () => {
    const errors = endpointSlice.strategy.validateCreate(
      { metadata, addressType: "IPv4", endpoints: [{ addresses: ["127.0.0.1"] }], ports: [] },
      CONTEXT,
    );
    expect(fieldsOf(errors)).toEqual(["endpoints[0].addresses[0]"]);
  });

  it("by Endpoints", () => {
    const errors = endpoints.strategy.validateCreate(
      { metadata, subsets: [{ addresses: [{ ip: "169.254.169.254" }] }] },
      CONTEXT,
    );
    expect(fieldsOf(errors)).toEqual(["subsets[0].addresses[0].ip"]);
  });

  it("as an external address", () => {
    const errors = service.strategy.validateCreate(
      {
        metadata,
        spec: {
          type: "ClusterIP",
          sessionAffinity: "None",
          internalTrafficPolicy: "Cluster",
          ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
          externalIPs: ["::ffff:127.0.0.1"],
        },
      },
      CONTEXT,
    );
    expect(fieldsOf(errors)).toContain("spec.externalIPs[0]");
  });
});
