import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import { formatIp, parseIp } from "@raft2kube/cni/lib/ip.ts";
import type { CniResult, Command } from "@raft2kube/cni/lib/types.ts";
import type { BridgeConfig } from "@raft2kube/cni/plugins/bridge/config.ts";
import { type AddressPlan, planAddresses } from "@raft2kube/cni/plugins/bridge/plan.ts";
import { nextFree, type Range, toRange } from "@raft2kube/cni/plugins/host-local/range.ts";
import { pick, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { check, checkOptions } from "../check.ts";
import { as, clauses } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail, mustPass } from "../must.ts";
import { DEBIAN, NETWORK, ownInvoke, unlessInstalled } from "./host.ts";

const NO_OPTIONS = { isGateway: false, isDefaultGateway: false } as BridgeConfig;

const { plans } = clauses(import.meta, {
  plans: {
    options: as<Partial<BridgeConfig>>(),
    ipam: as<Omit<CniResult, "cniVersion">>(),
    expected: as<AddressPlan>(),
  },
});

const WHY_PLANNED: Readonly<Record<keyof AddressPlan, string>> = {
  ips: "the next plugin of the chain finds by them an address's interface and its gateway",
  routes: "a container without a route reaches its own network only; a second one hides the first",
  gateways: "the containers' gateway answers only if it is an address of the bridge",
};

check("plan: the result of IPAM gets its gateways and default routes", () => {
  for (const { options, ipam: given, expected } of plans) {
    const ipam = { cniVersion: "1.1.0", ...given };
    const plan = planAddresses({ ...NO_OPTIONS, ...options }, structuredClone(ipam));
    for (const part of ["ips", "routes", "gateways"] as const) {
      mustEqual(plan[part], expected[part], {
        when: `${part}, for ${JSON.stringify(options)} and IPAM's ${JSON.stringify(ipam)}`,
        why: WHY_PLANNED[part],
      });
    }
  }
});

/** The addresses of a set in their order, without the gateways. */
function allOf(set: readonly Range[]): string[] {
  return set.flatMap(({ family, start, end, gateway }) => {
    const values = Array.from({ length: Number(end - start) + 1 }, (_, i) => start + BigInt(i));
    const usable = values.filter((value) => value !== gateway);
    return usable.map((value) => formatIp({ family, value }));
  });
}

const SETS: readonly (readonly [string, Range[]])[] = [
  ["10.0.0.0/29", [toRange({ subnet: "10.0.0.0/29" })]],
  [
    "10.0.0.0/29 from .3 to .5 and 10.1.0.0/30",
    [
      toRange({ subnet: "10.0.0.0/29", rangeStart: "10.0.0.3", rangeEnd: "10.0.0.5" }),
      toRange({ subnet: "10.1.0.0/30" }),
    ],
  ],
  ["fd00::/126", [toRange({ subnet: "fd00::/126" })]],
];

check("IPAM: the next free address after the last one, round and round", () => {
  const { seed = 1, runs = 300 } = checkOptions();
  const random = seededRandom(seed);
  for (let run = 0; run < runs; run++) {
    const [name, set] = pick(random, SETS);
    const all = allOf(set);
    const last = randomInteger(random, 0, 3) === 0 ? undefined : pick(random, all);
    const load = randomInteger(random, 0, 4) / 4;
    const taken = new Set(all.filter(() => random.next() < load));
    const from = last === undefined ? 0 : all.indexOf(last) + 1;
    const expected = [...all.slice(from), ...all.slice(0, from)].find((ip) => !taken.has(ip));
    const choice = nextFree(set, last === undefined ? undefined : parseIp(last, "last"), taken);
    const chosen = choice ? formatIp(choice.ip) : undefined;
    judge(chosen === expected, {
      when: `${name}: after ${last ?? "none"}, taken ${[...taken].join(", ") || "none"}`,
      expected: expected ?? "none: all are allocated",
      happened: chosen ?? "none",
      why: "an address that is reused at once gets the packets and cache entries of its last owner",
    });
  }
});

check("IPAM: the next free address of a large range is found at once", () => {
  const set = [toRange({ subnet: "fd00:88::/64" })];
  for (const last of [undefined, "fd00:88::ffff"]) {
    const choice = nextFree(set, last ? parseIp(last, "last") : undefined, new Set());
    mustEqual(choice && formatIp(choice.ip), last ? "fd00:88::1:0" : "fd00:88::2", {
      when: `fd00:88::/64, after ${last ?? "none"}`,
      why: "2^64 addresses: a search that visits all of them does not end",
    });
  }
});

check("IPAM: after an address of no range the search begins at the first", () => {
  const [, set] = SETS[1]!;
  for (const last of ["10.9.9.9", "fd00::1"]) {
    const choice = nextFree(set, parseIp(last, "last"), new Set());
    mustEqual(choice && formatIp(choice.ip), "10.0.0.3", {
      when: `two ranges, and ${last} was given last`,
      why: "the ranges of a network are changed, and its store stays",
    });
  }
});

/** An IPAM store in a folder of its own, and calls of host-local on it. */
class Ipam {
  readonly dataDir = mkdtempSync(join(tmpdir(), "r2k-lab-ipam-"));
  /** CNI_ARGS of the calls. */
  args = "";

  call(
    command: Command,
    containerId: string,
    changes: object = {},
    { theirs = false, ifName = "eth0" } = {},
  ): Promise<unknown> {
    const ipam = {
      type: "host-local",
      dataDir: this.dataDir,
      ranges: [[{ subnet: "10.99.0.0/29" }]],
      ...changes,
    };
    const config = { type: "host-local", name: NETWORK, cniVersion: "1.0.0", ipam };
    const at = { containerId, netns: "/proc/self/ns/net", ifName, args: this.args };
    const request = { command, ...at, path: [DEBIAN], config };
    const file = join(DEBIAN, "host-local");
    return theirs ? execInvoke(10_000)(file, request) : ownInvoke("host-local", request);
  }

  /** The addresses that ADD gave: `10.99.0.2`. */
  async add(containerId: string, changes: object = {}, at = {}): Promise<string> {
    const result = (await this.call("ADD", containerId, changes, at)) as CniResult;
    return (result.ips ?? []).map(({ address }) => address.split("/")[0]).join();
  }
}

async function withIpam(body: (ipam: Ipam) => Promise<void>): Promise<void> {
  const ipam = new Ipam();
  try {
    await body(ipam);
  } finally {
    rmSync(ipam.dataDir, { recursive: true });
  }
}

check("IPAM: an owner that has an address is refused", () =>
  withIpam(async (ipam) => {
    await ipam.add("a");
    const fails = {
      when: "ADD of a, which has an address",
      expected: "the error address-in-use (101)",
      why: "the first address would never be given back",
    };
    const { number, message } = await mustFail(ipam.add("a"), CniError, fails);
    judge(number === 101, { ...fails, happened: `error ${number}: ${message}` });
  }),
);

check("IPAM: DEL gives back the container's address, and only that", () =>
  withIpam(async (ipam) => {
    const why = "an address that is never given back leaks: after 250 pods the node has none";
    const given = [await ipam.add("a"), await ipam.add("b")].join();
    mustEqual(given, "10.99.0.2,10.99.0.3", { when: "containers a and b are added", why });
    await ipam.call("DEL", "a");
    await mustPass(ipam.call("DEL", "a"), {
      when: "DEL of a again",
      expected: "success: there is nothing to give back",
      why: "the runtime repeats DEL until it succeeds",
    });
    mustEqual(await ipam.add("c"), "10.99.0.4", { when: "a is deleted, c is added", why });
    const error = await mustFail(ipam.add("b"), CniError, {
      when: "ADD of b, which has an address",
      expected: "an error, as by containernetworking's plugin",
      why: "the first address would never be given back",
    });
    judge(error.message.includes("10.99.0.3"), {
      when: "ADD of b, which has an address",
      expected: "an error that names 10.99.0.3: DEL of a gave back only its own address",
      happened: error.message,
      why: "b would lose its address to the next container while it runs",
    });
    await ipam.add("d");
    await ipam.call("ADD", "d", {}, { ifName: "eth1" });
    await ipam.call("DEL", "d");
    const second = {
      when: "d has .5 for eth0 and .6 for eth1; after DEL of its eth0, ADD of its eth1",
      expected: "an error that names 10.99.0.6: eth1 has its address still",
      why: "a container with two interfaces would lose the address of the other one",
    };
    const { message } = await mustFail(
      ipam.call("ADD", "d", {}, { ifName: "eth1" }),
      CniError,
      second,
    );
    judge(message.includes("10.99.0.6"), { ...second, happened: message });
    mustEqual(await ipam.add("e"), "10.99.0.2", { when: "e is added, .6 was given last", why });
  }),
);

check("IPAM: one address of each range set, or none at all", () =>
  withIpam(async (ipam) => {
    const dual = { ranges: [[{ subnet: "10.99.0.0/29" }], [{ subnet: "fd00:99::/126" }]] };
    const both = await ipam.add("a", dual);
    mustEqual(both, "10.99.0.2,fd00:99::2", {
      when: "a network with an IPv4 and an IPv6 range",
      why: "a dual-stack pod has one address of each family",
    });
    await ipam.add("b", dual);
    const fails = {
      when: "ADD, with an address left in the first set and none in the second",
      expected: "an error: no free address",
      why: "a pod with half of its addresses would be reported as started",
    };
    const error = await mustFail(ipam.add("c", dual), CniError, fails);
    judge(error.code === "address-exhausted", {
      ...fails,
      expected: "the error address-exhausted (100)",
      happened: `error ${error.number}: ${error.message}`,
    });
    const { length } = await drain(ipam);
    judge(length === 3, {
      when: "after that ADD, single addresses of the first set are given until it is empty",
      expected: "3 of its 5: a and b have the others",
      happened: `${length}`,
      why: "no DEL follows a failed ADD in every runtime: what it reserved would leak",
    });
  }),
);

check("IPAM: a requested address is taken from the set that holds it", () =>
  withIpam(async (ipam) => {
    const dual = { ranges: [[{ subnet: "10.99.0.0/29" }], [{ subnet: "fd00:99::/126" }]] };
    ipam.args = "IP=fd00:99::3";
    const fine = {
      when: "ADD with CNI_ARGS IP=fd00:99::3, of a network with an IPv4 and an IPv6 range",
      expected: "10.99.0.2, the next of the first set, and fd00:99::3",
      why: "a Pod that moves with one of its addresses takes any other of the other family",
    };
    const given = await mustPass(ipam.add("a", dual), fine);
    mustEqual(given, "10.99.0.2,fd00:99::3", fine);
  }),
);

check("IPAM: a requested address is given, or refused, and nothing is left reserved", () =>
  withIpam(async (ipam) => {
    const why = "a Pod that moves with its address gets that one, or an error that names it";
    ipam.args = "IP=10.99.0.5";
    mustEqual(await ipam.add("a"), "10.99.0.5", { when: "ADD with CNI_ARGS IP=10.99.0.5", why });
    for (const [ips, what] of REFUSED_REQUESTS) {
      ipam.args = `IP=${ips}`;
      const fails = {
        when: `ADD with CNI_ARGS IP=${ips}; the only range is 10.99.0.0/29, ${what}`,
        expected: "the error invalid-config (7)",
        why,
      };
      const error = await mustFail(ipam.add("b"), CniError, fails);
      judge(error.code === "invalid-config", {
        ...fails,
        happened: `error ${error.number}: ${error.message}`,
      });
    }
    ipam.args = "";
    const rest = await drain(ipam);
    judge(rest.length === 4, {
      when: "after that ADD, addresses are given until there is none",
      expected: "4 of 5: a has the other",
      happened: `${rest.length}: ${rest.join(", ")}`,
      why: "what a failed ADD reserved would leak",
    });
  }),
);

check("IPAM: after a requested address comes the one after it", () =>
  withIpam(async (ipam) => {
    ipam.args = "IP=10.99.0.4";
    await ipam.add("a");
    ipam.args = "";
    mustEqual(await ipam.add("b"), "10.99.0.5", {
      when: "CNI_ARGS IP=10.99.0.4; then ADD without a request",
      why: "a requested address is the set's last one, as in containernetworking's plugin",
    });
  }),
);

const REFUSED_REQUESTS = [
  ["10.77.0.5", "which does not have it"],
  ["10.99.0.3,10.99.0.4", "of which a container gets one address"],
] as const;

async function drain(ipam: Ipam): Promise<string[]> {
  const given: string[] = [];
  for (let i = 0; i < 8; i++) {
    try {
      given.push(await ipam.add(`drain${i}`));
    } catch (thrown) {
      if (!(thrown instanceof CniError)) throw thrown;
      return given;
    }
  }
  return given;
}

check(
  "IPAM: containernetworking's host-local takes over, and gives back",
  () =>
    withIpam(async (ipam) => {
      const why = "a node's plugin is replaced while its pods run: both must know all addresses";
      const given = [
        await ipam.add("a"),
        await ipam.add("b", {}, { theirs: true }),
        await ipam.add("c"),
      ].join();
      mustEqual(given, "10.99.0.2,10.99.0.3,10.99.0.4", {
        when: "ADD by yours, by containernetworking's, by yours",
        why,
      });
      await ipam.call("DEL", "a", {}, { theirs: true });
      await ipam.call("DEL", "b");
      const rest = [await ipam.add("d", {}, { theirs: true }), await ipam.add("e")].join();
      mustEqual(rest, "10.99.0.5,10.99.0.6", { when: "each deletes one of the other's", why });
      mustEqual(await ipam.add("f"), "10.99.0.2", { when: "the next one", why });
    }),
  { leftOut: unlessInstalled("host-local") },
);
