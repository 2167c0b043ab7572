import { expect, test } from "vitest";
import { networkRules, rulesOf } from "./network-rules.ts";

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
    "table ip r2k-proxy: chain service-B", "  dnat to 10.244.0.5:8080"]);
});

test.each(["", "address=evil;", `${"address=10.0.0.1&".repeat(21)}`])(
  "%s is refused", async (query) => {
    await expect(networkRules(new URLSearchParams(query))).rejects.toMatchObject({ status: 400 });
  });
