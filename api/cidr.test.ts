import ipaddr from "ipaddr.js";
import { describe, expect, it, vi } from "vitest";
import { covers, hasAddress, overlap, parseCidr } from "./cidr.ts";
import { ipAddress, serviceCIDR } from "./networking/v1/addresses.ts";
import { networkPolicy } from "./networking/v1/network-policy.ts";

const network = (text: string) => parseCidr(text)!;

it.each([
  ["10.0.0.0/24", "10.0.0.0/24", true, true],
  ["10.0.0.0/16", "10.0.3.0/24", true, true],
  ["10.0.3.0/24", "10.0.0.0/16", true, false],
  ["10.0.0.0/24", "10.0.1.0/24", false, false],
  ["fd00::/48", "fd00:0:0:1::/64", true, true],
  ["::/0", "10.0.0.0/8", false, false],
])("%s and %s overlap: %s; the first covers the second: %s", (one, other, overlaps, covered) => {
  expect(overlap(network(one), network(other))).toBe(overlaps);
  expect(covers(network(one), network(other))).toBe(covered);
});

// The cases of upstream's Test_PrefixContainIP.
it.each([
  ["192.168.0.0/24", "192.168.0.1", true],
  ["192.168.0.0/24", "192.168.0.254", true],
  ["192.168.0.0/24", "192.168.0.0", false],
  ["192.168.0.0/24", "192.168.0.255", false],
  ["192.168.0.0/24", "192.168.1.1", false],
  ["192.168.0.0/31", "192.168.0.1", false],
  ["2001:db8::/120", "2001:db8::1", true],
  ["2001:db8::/120", "2001:db8::ff", true],
  ["2001:db8::/120", "2001:db8::", false],
  ["192.168.0.0/24", "2001:db8::1", false],
  ["10.0.0.0/8", "example", false],
])("%s has %s for a Service: %s", (text, address, wanted) => {
  expect(hasAddress(network(text), address)).toBe(wanted);
});

const context = { now_ms: 0 };

describe("a ServiceCIDR takes networks in their canonical form alone", () => {
  const findings = (...cidrs: string[]) =>
    serviceCIDR.strategy
      .validateCreate({ metadata: { name: "a" }, spec: { cidrs } }, context)
      .map(({ field, detail }) => `${field}: ${detail}`);

  it.each([["10.0.0.0/8"], ["10.1.2.3/32"], ["fd00::/64"], ["::/0"]])("%s", (text) =>
    expect(findings(text)).toEqual([]),
  );

  // Facts of upstream's TestIsValidCIDR.
  it.each([
    ["10.0.0.1/8", "must not have bits set beyond the prefix length"],
    ["fd00::1/64", "must not have bits set beyond the prefix length"],
    ["010.0.0.0/8", "must not have leading 0s in IP or prefix length"],
    ["10.0.0.0/08", "must not have leading 0s in IP or prefix length"],
    ["::ffff:10.0.0.0/104", "must not have an IPv4-mapped IPv6 address"],
    ["2001:0db8::/64", 'must be in canonical form ("2001:db8::/64")'],
    ["10.0.0.0/33", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"],
    ["10.0.0.0", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"],
  ])("%s: %s", (text, detail) => {
    expect(findings(text)).toEqual([`spec.cidrs[0]: ${detail}`]);
  });
});

describe("an IPAddress is named by its canonical form", () => {
  const findings = (name: string) => {
    const parentRef = { resource: "services", namespace: "n", name: "s" };
    return ipAddress.strategy
      .validateCreate({ metadata: { name }, spec: { parentRef } }, context)
      .map(({ field, detail }) => `${field}: ${detail}`);
  };

  it.each([
    ["10.0.0.1", []],
    ["2001:db8::1", []],
    ["2001:0db8::1", ['metadata.name: must be in canonical form ("2001:db8::1")']],
    ["010.0.0.1", ["metadata.name: must not have leading 0s"]],
    ["::ffff:10.0.0.1", ["metadata.name: must not be an IPv4-mapped IPv6 address"]],
    ["web", ["metadata.name: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]],
  ])("%s: %j", (name, wanted) => expect(findings(name)).toEqual(wanted));
});

describe("the exceptions of a NetworkPolicy's range", () => {
  const findings = (cidr: string, except: string[]) => {
    const spec = { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr, except } }] }] };
    return networkPolicy.strategy
      .validateCreate({ metadata: { name: "x", namespace: "x" }, spec }, context)
      .map(({ detail }) => detail);
  };

  it.each([
    ["10.0.0.0/8", "10.1.0.0/16", true],
    ["10.0.0.0/8", "10.0.0.0/8", false],
    ["10.0.0.0/8", "10.0.0.0/7", false],
    ["10.0.0.0/8", "11.0.0.0/16", false],
    ["10.0.0.0/8", "a00::/16", false],
    ["fd00::/8", "fd01::/16", true],
    ["fd00::/8", "fe00::/16", false],
    ["::/0", "::ffff:10.0.0.0/104", false],
  ])("of %s: %s, %s", (cidr, except, isTaken) => {
    expect(findings(cidr, [except])).toHaveLength(isTaken ? 0 : 1);
  });

  // A policy has 60,000 of them, and a library's parser takes 20 us for each of several readings.
  it("are read as numbers", () => {
    const parse = vi.spyOn(ipaddr, "parse");
    const except = Array.from({ length: 100 }, (_, at) => `10.0.${at}.0/24`);
    expect([findings("10.0.0.0/8", except), parse.mock.calls]).toEqual([[], []]);
    parse.mockRestore();
  });
});
