import { describe, expect, test } from "vitest";
import type { PluginCall } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { configOf } from "./config.ts";
import { planAddresses, planResult } from "./plan.ts";

const call = (config: object, args = "") =>
  ({ args, config: { type: "bridge", ...config } }) as unknown as PluginCall;

const plan = (config: object, ipam: Partial<CniResult>) =>
  planAddresses(configOf(call(config)), { cniVersion: "1.1.0", ...ipam });

const FOUR = { address: "10.1.0.5/24" };
const SIX = { address: "fd00::5/64" };

describe("addresses", () => {
  test("without isGateway are those of IPAM, on the container's end", () => {
    expect(plan({}, { ips: [FOUR] })).toEqual({
      ips: [{ ...FOUR, interface: 2 }],
      routes: [],
      gateways: [],
    });
  });

  test("a gateway that IPAM leaves out is the first address of its subnet", () => {
    const { ips, routes, gateways } = plan({ isGateway: true }, { ips: [FOUR, SIX] });
    expect(ips.map(({ gateway }) => gateway)).toEqual(["10.1.0.1", "fd00::1"]);
    expect(gateways).toEqual(["10.1.0.1/24", "fd00::1/64"]);
    expect(routes).toEqual([]);
  });

  test("two addresses of one subnet are one gateway of the bridge", () => {
    const second = { address: "10.1.0.6/24" };
    expect(plan({ isGateway: true }, { ips: [FOUR, second] }).gateways).toEqual(["10.1.0.1/24"]);
  });

  test("isDefaultGateway adds a default route to each family that has none", () => {
    const routes = [{ dst: "::/0", gw: "fd00::9" }];
    expect(plan({ isDefaultGateway: true }, { ips: [FOUR, SIX], routes }).routes).toEqual([
      ...routes,
      { dst: "0.0.0.0/0", gw: "10.1.0.1" },
    ]);
  });
});

test("the result leaves out what there is none of", () => {
  const ends = [{ name: "cni0" }];
  const none = { ips: [], routes: [], gateways: [] };
  expect(planResult(ends, none, { cniVersion: "1.1.0" })).toEqual({
    cniVersion: "1.1.0",
    interfaces: ends,
  });
});

describe("configuration", () => {
  test("the hardware address: capability, then args.cni, then CNI_ARGS", () => {
    const [one, two, three] = ["02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"];
    const runtimeConfig = { mac: one };
    const args = { cni: { mac: two } };
    expect(configOf(call({ runtimeConfig, args }, `MAC=${three}`)).mac).toBe(one);
    expect(configOf(call({ args }, `MAC=${three}`)).mac).toBe(two);
    expect(configOf(call({}, `A=1;MAC=${three}`)).mac).toBe(three);
  });

  test("ipspoofchk checks hardware addresses too", () => {
    expect(configOf(call({ ipspoofchk: true }))).toMatchObject({
      checksMac: true,
      checksAddresses: true,
    });
    expect(configOf(call({ macspoofchk: true }))).toMatchObject({
      checksMac: true,
      checksAddresses: false,
    });
  });

  test.each([
    [{ vlan: 5 }, /vlan is not supported/],
    [{ vlanTrunk: [{ id: 3 }] }, /vlanTrunk is not supported/],
    [{ disableContainerInterface: true }, /disableContainerInterface is not supported/],
    [{ hairpinMode: true, promiscMode: true }, /exclude each other/],
    [{ hairpinMode: "yes" }, /hairpinMode "yes" is not a boolean/],
    [{ bridge: "a/b" }, /"a\/b" is not the name of an interface/],
    [{ mtu: 67 }, /mtu 67 is not from 68 to 65535/],
    [{ runtimeConfig: { mac: "zz" } }, /mac "zz"/],
    [{ ipMasqBackend: "ebpf" }, /ipMasqBackend "ebpf" is not supported, nftables and iptables are/],
  ])("%j is refused by name", (config, message) => {
    expect(() => configOf(call(config))).toThrow(message);
  });

  test("settings of the reference that ask for nothing are none", () => {
    expect(() => configOf(call({ vlan: 0, preserveDefaultVlan: true }))).not.toThrow();
  });
});
