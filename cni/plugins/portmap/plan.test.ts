import { describe, expect, test } from "vitest";
import type { PluginCall } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { configOf } from "./config.ts";
import { planElements } from "./plan.ts";

const call = (portMappings: unknown, config: object = {}) =>
  ({
    config: { type: "portmap", runtimeConfig: { portMappings }, ...config },
  }) as unknown as PluginCall;

const RESULT: CniResult = {
  cniVersion: "1.1.0",
  interfaces: [{ name: "cni0" }, { name: "veth1" }, { name: "eth0", sandbox: "/ns" }],
  ips: [{ address: "10.1.0.5/24" }, { address: "fd00::5/64" }],
};
const HTTP = { hostPort: 8080, containerPort: 80, protocol: "tcp" };

const keysOf = (mapping: object, config: object = {}) =>
  planElements(configOf(call([mapping], config)), RESULT, "owner").map(
    ({ set, key, value }) => `${set}: ${key}${value && ` : ${value}`}`,
  );

describe("a mapping", () => {
  test("leads to the container's address of each family, and hairpins its subnet", () => {
    expect(keysOf(HTTP)).toEqual([
      "ports4: tcp . 8080 : 10.1.0.5 . 80",
      "hairpins4: 10.1.0.0/24 . 10.1.0.5",
      "ports6: tcp . 8080 : fd00::5 . 80",
      "hairpins6: fd00::/64 . fd00::5",
    ]);
  });

  test("with a hostIP is of that address's family alone", () => {
    expect(keysOf({ ...HTTP, hostIP: "192.0.2.1" }, { snat: false })).toEqual([
      "hostports4: 192.0.2.1 . tcp . 8080 : 10.1.0.5 . 80",
    ]);
  });

  test("is read as containerd writes it, in Go's names", () => {
    const written = { HostPort: 8080, ContainerPort: 80, Protocol: "tcp", HostIP: "192.0.2.1" };
    expect(keysOf(written)).toEqual(keysOf({ ...HTTP, hostIP: "192.0.2.1" }));
  });

  test.each(["", "0.0.0.0", "::"])("with hostIP %j is of every address", (hostIP) => {
    expect(keysOf({ ...HTTP, hostIP })).toEqual(keysOf(HTTP));
  });

  test("with masqAll masquerades everything", () => {
    expect(keysOf(HTTP, { masqAll: true })).toContain("hairpins4: 0.0.0.0/0 . 10.1.0.5");
  });

  test("of a loopback address opens route_localnet of the host's interfaces alone", () => {
    expect(keysOf({ ...HTTP, hostIP: "127.0.0.2" })).toEqual([
      "hostports4: 127.0.0.2 . tcp . 8080 : 10.1.0.5 . 80",
      "hairpins4: 10.1.0.0/24 . 10.1.0.5",
      "hairpins4: 127.0.0.0/8 . 10.1.0.5",
      'localnets: "cni0" . 10.1.0.5',
      'localnets: "veth1" . 10.1.0.5',
    ]);
  });

  test("of host port 0 is none", () => {
    expect(keysOf({ ...HTTP, hostPort: 0 })).toEqual([]);
  });
});

describe("refused by name", () => {
  test.each([
    [{ ...HTTP, hostPort: 65_536 }, /hostPort is not a port/],
    [{ ...HTTP, hostPort: "8080" }, /hostPort is not a port/],
    [{ ...HTTP, containerPort: 0 }, /containerPort is not a port/],
    [{ ...HTTP, protocol: "icmp" }, /none of tcp, udp, sctp/],
    [{ ...HTTP, hostIP: "10.0.0.300" }, /hostIP is not an IP address/],
    [{ ...HTTP, hostIP: '1.1.1.1 }\nflush ruleset {"' }, /hostIP is not an IP address/],
  ])("%j", (mapping, message) => {
    expect(() => configOf(call([mapping]))).toThrow(message);
  });

  test.each([
    [{ conditionsV4: ["-s", "10.0.0.0/8"] }, /conditionsV4 is not supported/],
    [{ markMasqBit: 13 }, /markMasqBit is not supported/],
  ])("%j", (config, message) => {
    expect(() => configOf(call([], config))).toThrow(message);
  });

  test("a port of a loopback address without snat, and mappings that are no list", () => {
    const loopback = { ...HTTP, hostIP: "127.0.0.1" };
    expect(() => configOf(call([loopback], { snat: false }))).toThrow(/set it true/);
    expect(() => configOf(call("all"))).toThrow(/portMappings is not a list/);
  });
});
