import { describe, expect, test } from "vitest";
import type { PluginCall } from "../../lib/skel.ts";
import { formatSubnetEnv, parseSubnetEnv } from "../../lib/subnet-env.ts";
import { configOf, delegateConfig } from "./config.ts";

const env = { networks: ["10.244.0.0/16"], subnets: ["10.244.3.1/24"], mtu: 1450, ipMasq: false };

const call = (config: object) =>
  ({
    network: "net",
    version: "1.0.0",
    config: { type: "flannel", ...config },
  }) as unknown as PluginCall;

const delegated = (config: object, of = env) =>
  delegateConfig(call(config), configOf(call(config)), of);

test("by default a bridge with host-local addresses of the node's range", () => {
  expect(delegated({})).toEqual({
    type: "bridge",
    name: "net",
    cniVersion: "1.0.0",
    isGateway: true,
    ipMasq: true,
    mtu: 1450,
    ipam: {
      type: "host-local",
      ranges: [[{ subnet: "10.244.3.0/24" }]],
      routes: [{ dst: "10.244.0.0/16" }],
    },
  });
});

test("the delegate's own options win, and runtimeConfig is passed on", () => {
  const config = {
    delegate: { type: "ptp", mtu: 1300, ipMasq: false },
    ipam: { dataDir: "/d", routes: [{ dst: "0.0.0.0/0" }] },
    runtimeConfig: { bandwidth: {} },
  };
  expect(delegated(config)).toMatchObject({
    type: "ptp",
    mtu: 1300,
    ipMasq: false,
    runtimeConfig: { bandwidth: {} },
    ipam: { dataDir: "/d", routes: [{ dst: "0.0.0.0/0" }, { dst: "10.244.0.0/16" }] },
  });
  expect(delegated(config)).not.toHaveProperty("isGateway");
});

test("pods are masqueraded by one of the two", () => {
  expect(delegated({}, { ...env, ipMasq: true }).ipMasq).toBe(false);
});

test.each([
  [{ subnetFile: "relative" }, /subnetFile is not an absolute path/],
  [{ delegate: [] }, /delegate is not an object/],
  [{ delegate: { name: "x" } }, /delegate has "name"/],
  [{ delegate: { ipam: {} } }, /delegate has "ipam"/],
  [{ delegate: { type: "flannel" } }, /cannot delegate to itself/],
])("%j is refused by name", (config, message) => {
  expect(() => configOf(call(config))).toThrow(message);
});

describe("subnet.env", () => {
  const text =
    "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\n" +
    "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n";

  test("is flannel's", () => {
    expect(formatSubnetEnv(env)).toBe(text);
    expect(parseSubnetEnv(text, "f")).toEqual(env);
  });

  test("both families, and several networks", () => {
    const both = {
      ...env,
      networks: ["10.1.0.0/16", "10.2.0.0/16", "fd00::/56"],
      subnets: ["10.1.3.1/24", "fd00:0:0:3::1/64"],
    };
    expect(parseSubnetEnv(formatSubnetEnv(both), "f")).toEqual(both);
  });

  test.each([
    ["", /f is missing FLANNEL_NETWORK/],
    [text.replace(/FLANNEL_SUBNET.*\n/, ""), /missing FLANNEL_SUBNET/],
    [text.replace("1450", "many"), /missing FLANNEL_MTU/],
    [text.replace("1450", "10"), /missing FLANNEL_MTU/],
    [text.replace(/FLANNEL_IPMASQ.*\n/, ""), /missing FLANNEL_IPMASQ/],
    [text.replace("10.244.3.1/24", "10.244.3.1/99"), /damaged/],
  ])("%j is refused by name", (broken, message) => {
    expect(() => parseSubnetEnv(broken, "f")).toThrow(message);
  });
});
