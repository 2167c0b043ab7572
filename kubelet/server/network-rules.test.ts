import { expect, test } from "vitest";
import { networkRules, rulesOf, serversOf } from "./network-rules.ts";

const RULESET = `table ip r2k-proxy {
	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.96.0.1 . tcp . 443 : goto service-A,
			     10.96.0.10 . tcp . 80 : goto service-B }
	}
	chain service-A {
		numgen random mod 1 vmap { 0 : goto endpoint-A }
	}
	chain endpoint-A {
		meta l4proto tcp dnat to 10.200.0.1:6443
	}
	chain service-B {
		dnat to 10.244.0.5:8080
	}
}
table ip other {
	chain service-A {
		ip saddr 10.244.0.50 drop
	}
}
`;

test("rules of an address come with the chains that they lead to, and no others", () => {
  expect(rulesOf(RULESET, ["10.96.0.1"])).toEqual([
    "table ip r2k-proxy: map service-ips",
    "  10.96.0.1 . tcp . 443 : goto service-A",
    "table ip r2k-proxy: chain service-A",
    "  numgen random mod 1 vmap { 0 : goto endpoint-A }",
    "table ip r2k-proxy: chain endpoint-A",
    "  meta l4proto tcp dnat to 10.200.0.1:6443",
  ]);
  expect(rulesOf(RULESET, ["10.244.0.5"])).toEqual([
    "table ip r2k-proxy: chain service-B",
    "  dnat to 10.244.0.5:8080",
  ]);
});

test("rules of IPv6 addresses are found, and no address that one begins", () => {
  const ruleset = `table ip6 r2k-proxy {
	chain service-C {
		ip6 daddr fd00:96::9 tcp dport 80 dnat to [fd00:244::5]:8080
	}
	chain other {
		ip6 daddr fd00:96::90 drop
	}
}
`;
  expect(rulesOf(ruleset, ["fd00:96::9"])).toEqual([
    "table ip6 r2k-proxy: chain service-C",
    "  ip6 daddr fd00:96::9 tcp dport 80 dnat to [fd00:244::5]:8080",
  ]);
  expect(rulesOf(ruleset, ["fd00:244::5"])).toHaveLength(2);
  expect(rulesOf(ruleset, ["d00:96::9", "fd00:244::"])).toEqual([]);
});

const IPVS = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  0A600001:01BB rr
  -> 0AC80001:192B      Masq    1      0          0
TCP  0A600009:0050 rr
  -> 0AF40005:1F90      Masq    1      2          1
  -> 0AF40106:1F90      Masq    1      0          0
TCP  [fd00:0096:0000:0000:0000:0000:0000:0009]:0050 rr
  -> [fd00:0244:0000:0000:0000:0000:0000:0005]:1F90      Masq    1      0          0
`;

test("IPVS's servers of an address come with their destinations, of IPv6 too", () => {
  expect(serversOf(IPVS, ["10.96.0.9", "10.244.0.5"])).toEqual([
    "IPVS",
    "TCP  10.96.0.9:80 rr",
    "  -> 10.244.0.5:8080      Masq    1      2          1",
    "  -> 10.244.1.6:8080      Masq    1      0          0",
  ]);
  expect(serversOf(IPVS, ["fd00:96::9"])).toEqual([
    "IPVS",
    "TCP  [fd00:96::9]:80 rr",
    "  -> [fd00:244::5]:8080      Masq    1      0          0",
  ]);
  expect(serversOf(IPVS, ["10.96.0.90"])).toEqual([]);
});

test.each(["", "address=evil;", `${"address=10.0.0.1&".repeat(21)}`])(
  "%s is refused",
  async (query) => {
    await expect(networkRules(new URLSearchParams(query))).rejects.toMatchObject({ status: 400 });
  },
);
