import { expect, test } from "vitest";
import type { PluginCall } from "../../lib/skel.ts";
import { SCOPE_LINK } from "../../lib/veth.ts";
import { configOf } from "./config.ts";
import { planPtp } from "./plan.ts";

const result = (...ips: { address: string; gateway?: string }[]) => ({ cniVersion: "1.1.0", ips });

test("the gateway is on the link, the subnet behind it", () => {
  expect(planPtp(result({ address: "10.1.0.5/24", gateway: "10.1.0.1" }))).toEqual({
    ips: [{ address: "10.1.0.5/24", gateway: "10.1.0.1", interface: 1 }],
    routes: [
      { dst: "10.1.0.1/32", scope: SCOPE_LINK },
      { dst: "10.1.0.0/24", gw: "10.1.0.1" },
    ],
    hostAddresses: ["10.1.0.1/32"],
    hostRoutes: ["10.1.0.5/32"],
  });
});

test("a subnet of one address has no route", () => {
  const { routes } = planPtp(result({ address: "fd00::5/128", gateway: "fd00::1" }));
  expect(routes).toEqual([{ dst: "fd00::1/128", scope: SCOPE_LINK }]);
});

test("two addresses behind one gateway share it", () => {
  const gateway = "10.1.0.1";
  const plan = planPtp(
    result({ address: "10.1.0.5/24", gateway }, { address: "10.1.0.6/24", gateway }),
  );
  expect(plan.hostAddresses).toEqual(["10.1.0.1/32"]);
  expect(plan.hostRoutes).toEqual(["10.1.0.5/32", "10.1.0.6/32"]);
});

test("an address without a gateway is refused by name", () => {
  expect(() => planPtp(result({ address: "10.1.0.5/24" }))).toThrow(/10\.1\.0\.5\/24/);
});

test.each(["macspoofchk", "ipspoofchk"])("%s is refused, not ignored", (option) => {
  const config = { type: "ptp", ipam: { type: "host-local" }, [option]: true };
  expect(() => configOf({ config } as unknown as PluginCall)).toThrow(option);
});
