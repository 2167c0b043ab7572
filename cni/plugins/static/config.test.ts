import { expect, test } from "vitest";
import type { PluginCall } from "../../lib/skel.ts";
import { configOf } from "./config.ts";

const CONFIGURED = { address: "10.88.0.50/24", gateway: "10.88.0.1" };

const call = (ipam: object, more: object = {}, args = "") =>
  ({
    args,
    config: { type: "bridge", ipam: { type: "static", addresses: [CONFIGURED], ...ipam }, ...more },
  }) as unknown as PluginCall;

const runtime = (...ips: string[]) => ({ runtimeConfig: { ips } });
const inArgs = (...ips: string[]) => ({ args: { cni: { ips } } });

test.each([
  [
    "the capability before all",
    call({}, { ...runtime("10.1.0.1/24"), ...inArgs("10.2.0.1/24") }),
    ["10.1.0.1/24"],
  ],
  ["args.cni before CNI_ARGS", call({}, inArgs("10.2.0.1/24"), "IP=10.3.0.1/24"), ["10.2.0.1/24"]],
  ["CNI_ARGS before the configuration", call({}, {}, "IP=10.3.0.1/24"), ["10.3.0.1/24"]],
  ["the configuration", call({}), ["10.88.0.50/24"]],
])("addresses are those of %s", (_of, given, addresses) => {
  expect(configOf(given).ips.map(({ address }) => address)).toEqual(addresses);
});

test("CNI_ARGS give each address the gateway that is in its subnet", () => {
  const args = "IP=10.3.0.5/24,fd00::5/64,10.4.0.5/24;GATEWAY=fd00::1,10.3.0.1";
  expect(configOf(call({}, {}, args)).ips).toEqual([
    { address: "10.3.0.5/24", gateway: "10.3.0.1" },
    { address: "fd00::5/64", gateway: "fd00::1" },
    { address: "10.4.0.5/24" },
  ]);
});

test.each([
  ["no addresses", call({ addresses: [] }), /no address to give/],
  ["a list that is none", call({ addresses: CONFIGURED }), /ipam\.addresses is not a list/],
  ["no prefix", call({ addresses: [{ address: "10.88.0.5" }] }), /10\.88\.0\.5/],
  [
    "a gateway of the other family",
    call({ addresses: [{ ...CONFIGURED, gateway: "fd00::1" }] }),
    /fd00::1 .* another family than 10\.88\.0\.50/,
  ],
  ["a route to nowhere", call({ routes: [{ dst: "x" }] }), /route destination/],
])("%s: refused by name", (_what, given, message) => {
  expect(() => configOf(given)).toThrow(message);
});
