import { describe, expect, test } from "vitest";
import { servicePort } from "../../../testing/service-port.ts";
import type { ServicePort } from "../../plan/model.ts";
import { LAYOUT as IPVS_LAYOUT, ipvsRules } from "../ipvs/layout.ts";
import { baseRules, LAYOUT } from "./base.ts";
import { renderPort } from "./fragment.ts";
import { chainsOf, portName } from "./names.ts";
import { hasJumps, removal, TablesState } from "./state.ts";

const ONE = { address: "10.180.0.1", port: 80 };
const TWO = { address: "10.180.0.2", port: 80 };
const port = (changes: Partial<ServicePort> = {}) =>
  servicePort({
    key: "ns1/svc1:p80/TCP",
    clusterIps: ["172.30.0.41"],
    allEndpoints: [ONE],
    ...changes,
  });
const SVC = "KUBE-SVC-XPGD46QRK7WJZT7O";
const SEP = "KUBE-SEP-SXIVWICOYRO3J4NJ";
const CIDR = "10.0.0.0/8";
const NOTHING = { filter: [], nat: [] };

const state = (...ports: ServicePort[]) => {
  const tables = new TablesState(LAYOUT, baseRules(undefined));
  const fragments = new Map(ports.map((one) => [one.key, renderPort(one, CIDR)]));
  const input = tables.rebuild(fragments, NOTHING);
  return { tables, input };
};
const change = (from: ServicePort) => new Map([[from.key, renderPort(from, CIDR)]]);
const lines = (text: string) => text.trim().split("\n");
const sharedOf = (from: ServicePort) =>
  renderPort(from, CIDR).shared.map(({ table, chain, text }) => `${table} ${chain} ${text}`);

describe("names of chains", () => {
  test("are those of upstream's tests", () => {
    const names = chainsOf(port());
    expect([names.cluster, names.endpoint(ONE)]).toEqual([SVC, SEP]);
  });

  test("come from the name of a Service's port, without a colon if it has none", () => {
    expect(portName(port())).toBe("ns1/svc1:p80");
    expect(portName(port({ key: "ns1/svc1:/UDP" }))).toBe("ns1/svc1");
  });
});

describe("a Service port", () => {
  test("has upstream's chains", () => {
    const { shared, chains } = renderPort(port(), CIDR);
    const match =
      "-d 172.30.0.41/32 -p tcp -m tcp --dport 80 " +
      '-m comment --comment "ns1/svc1:p80 cluster IP"';
    expect(shared).toEqual([{ table: "nat", chain: "KUBE-SERVICES", text: `${match} -j ${SVC}` }]);
    expect(Object.fromEntries(chains)).toEqual({
      [SVC]: [`! -s ${CIDR} -j KUBE-MARK-MASQ`, `-j ${SEP}`],
      [SEP]: [
        "-s 10.180.0.1/32 -j KUBE-MARK-MASQ",
        "-p tcp -j DNAT --to-destination 10.180.0.1:80",
      ],
    });
  });

  test("chooses each endpoint with the same probability", () => {
    const three = [ONE, TWO, { address: "10.180.0.3", port: 80 }];
    const rules = renderPort(port({ allEndpoints: three }), undefined).chains.get(SVC) ?? [];
    const chances = rules.map((rule) => /--probability (\S+)/.exec(rule)?.[1]);
    expect(chances).toEqual(["0.33333333349", "0.50000000000", undefined]);
  });

  test("with affinity asks who was there before, and remembers", () => {
    const { chains } = renderPort(port({ affinity_s: 60 }), CIDR);
    expect(chains.get(SVC)).toContain(
      "-m recent --rcheck --seconds 60 --reap " +
        `--name ${SEP} --mask 255.255.255.255 --rsource -j ${SEP}`,
    );
    expect(chains.get(SEP)?.at(-1)).toMatch(new RegExp(`-m recent --set --name ${SEP} .* -j DNAT`));
  });

  test("without endpoints is rejected, with Local and none here dropped", () => {
    expect(sharedOf(port({ allEndpoints: [], nodePort: 30080 }))).toEqual([
      expect.stringMatching(/^filter KUBE-SERVICES .*-j REJECT --reject-with tcp-reset$/),
      expect.stringMatching(/^filter KUBE-EXTERNAL-SERVICES .*--dport 30080 .*-j REJECT/),
    ]);
    expect(sharedOf(port({ internalLocal: true }))).toEqual([
      expect.stringMatching(/^filter KUBE-SERVICES .*no local endpoints" -j DROP$/),
    ]);
  });

  test("outside traffic is masqueraded, or goes to this node's endpoints", () => {
    const names = chainsOf(port());
    const cluster = renderPort(port({ nodePort: 30080 }), CIDR).chains.get(names.external);
    expect(cluster).toEqual(["-j KUBE-MARK-MASQ", `-j ${names.cluster}`]);
    const local = port({ nodePort: 30080, externalLocal: true, localEndpoints: [TWO] });
    const { chains } = renderPort(local, CIDR);
    expect(chains.get(names.external)?.[0]).toBe(`-s ${CIDR} -j ${names.cluster}`);
    expect(chains.get(names.external)?.at(-1)).toBe(`-j ${names.local}`);
    expect(chains.get(names.local)).toEqual([`-j ${names.endpoint(TWO)}`]);
  });

  test("with internalTrafficPolicy Local masquerades no client of an external address", () => {
    const local = { nodePort: 30080, internalLocal: true, externalLocal: true };
    const { chains } = renderPort(port({ ...local, localEndpoints: [TWO] }), CIDR);
    const names = chainsOf(port());
    expect(chains.get(names.external)?.at(-1)).toBe(`-j ${names.local}`);
    expect(chains.get(names.local)?.[0]).toMatch(
      /^! -s 10.0.0.0\/8 -d 172.30.0.41\/32 -p tcp .*-j KUBE-MARK-MASQ$/,
    );
  });

  test("source ranges are checked before the Service, and others dropped", () => {
    const firewall = { addresses: ["1.2.3.4"], ranges: ["203.0.113.0/25"] };
    const names = chainsOf(port());
    const guarded = port({ externalIps: ["1.2.3.4"], firewall });
    expect(sharedOf(guarded).slice(1)).toEqual([
      expect.stringMatching(new RegExp(`^nat KUBE-SERVICES -d 1.2.3.4/32 .*-j ${names.firewall}$`)),
      expect.stringMatching(/^filter KUBE-PROXY-FIREWALL -d 1.2.3.4\/32 .*-j DROP$/),
    ]);
    const { chains } = renderPort(guarded, CIDR);
    expect(chains.get(names.firewall)).toEqual([`-s 203.0.113.0/25 -j ${names.external}`]);
  });
});

describe("the input of iptables-restore", () => {
  test("of a rebuild ends KUBE-SERVICES with the node ports, and adds the jumps", () => {
    const { input } = state(port());
    const services = lines(input).filter((line) => line.startsWith("-A KUBE-SERVICES"));
    expect(services).toHaveLength(2);
    expect(services[1]).toMatch(/-j KUBE-NODEPORTS$/);
    expect(input).toMatch(/^-I PREROUTING .*-j KUBE-SERVICES$/m);
    expect(input).toMatch(new RegExp(`^:${SVC} - \\[0:0\\]$`, "m"));
  });

  test("of a rebuild removes chains of Services that are gone", () => {
    const tables = new TablesState(LAYOUT, baseRules(undefined));
    const nat = [`:${SVC} - [0:0]`, ":OTHERS - [0:0]", ":KUBE-SVC-X - [0:0]"];
    const input = lines(tables.rebuild([], { filter: [], nat }));
    expect(input.filter((line) => line.startsWith("-X"))).toEqual([`-X ${SVC}`]);
  });

  test("of a change names the chains of the changed Service only", () => {
    const other = port({ key: "ns1/other:p80/TCP", clusterIps: ["172.30.0.42"] });
    const { tables } = state(port(), other);
    const names = chainsOf(port());
    expect(lines(tables.change(change(port({ allEndpoints: [TWO] }))).join(""))).toEqual([
      "*nat",
      `:${names.cluster} - [0:0]`,
      `:${names.endpoint(TWO)} - [0:0]`,
      `:${SEP} - [0:0]`,
      expect.stringMatching(new RegExp(`^-A ${SVC} ! -s`)),
      `-A ${SVC} -j ${names.endpoint(TWO)}`,
      expect.stringMatching(new RegExp(`^-A ${names.endpoint(TWO)} `)),
      expect.stringMatching(new RegExp(`^-A ${names.endpoint(TWO)} .*DNAT`)),
      `-X ${SEP}`,
      "COMMIT",
    ]);
    expect(tables.change(change(port({ allEndpoints: [TWO] })))).toEqual([]);
  });

  test("of a removed Service deletes its rules and chains", () => {
    const { tables } = state(port());
    const input = tables.change(new Map([[port().key, undefined]]));
    expect(lines(input.join(""))).toEqual([
      "*nat",
      `:${SVC} - [0:0]`,
      `:${SEP} - [0:0]`,
      expect.stringMatching(new RegExp(`^-D KUBE-SERVICES .* -j ${SVC}$`)),
      `-X ${SVC}`,
      `-X ${SEP}`,
      "COMMIT",
    ]);
  });

  test("quotes nothing that a name could end", () => {
    const { shared } = renderPort(port({ key: 'ns1/a"\n-j ACCEPT:p/TCP' }), CIDR);
    expect(shared[0]?.text).toContain('"ns1/a??-j?ACCEPT:p cluster IP"');
  });
});

type TableName = "filter" | "nat";

const BUILT_IN = {
  filter: ["INPUT", "FORWARD", "OUTPUT"],
  nat: ["PREROUTING", "OUTPUT", "POSTROUTING"],
} as const;

/** Tables that take input by transactions, as the kernel: no jump to a missing chain. */
class Tables {
  readonly filter = new Map<string, string[]>(BUILT_IN.filter.map((name) => [name, []]));
  readonly nat = new Map<string, string[]>(BUILT_IN.nat.map((name) => [name, []]));

  /** Applies at most `most` transactions; returns how many of the table nat there were. */
  restore(input: string | string[], most = Infinity, afterEach = () => {}): number {
    const all = [
      ...[input]
        .flat()
        .join("")
        .matchAll(/^\*(\w+)\n([^]*?)^COMMIT$/gm),
    ].slice(0, most);
    for (const [, name, body = ""] of all) {
      const chains = this[name as TableName];
      for (const line of lines(body)) take(chains, line);
      const targets = [...chains.values()].flat().map(targetOf);
      expect(targets.filter((to) => to !== undefined && !chains.has(to))).toEqual([]);
      afterEach();
    }
    return all.filter(([, name]) => name === "nat").length;
  }

  saved(): Record<TableName, string[]> {
    const save = (name: TableName) =>
      [...this[name]].flatMap(([chain, rules]) => [
        `:${chain} - [0:0]`,
        ...rules.map((rule) => `-A ${chain} ${rule}`),
      ]);
    return { filter: save("filter"), nat: save("nat") };
  }

  expectEmpty(): void {
    for (const name of ["filter", "nat"] as const) {
      expect([...this[name]]).toEqual(BUILT_IN[name].map((chain) => [chain, []]));
    }
  }
}

function take(chains: Map<string, string[]>, line: string): void {
  const [verb = "", chain = ""] = line.startsWith(":")
    ? [":", line.split(" ")[0]?.slice(1)]
    : line.split(" ");
  const rules = chains.get(chain) ?? [];
  const text = line.slice(`${verb} ${chain} `.length);
  if (verb === ":") chains.set(chain, []);
  else expect(chains.has(chain)).toBe(true);
  if (verb === "-A") rules.push(text);
  else if (verb === "-I") rules.unshift(text);
  else if (verb === "-D") {
    expect(rules).toContain(text);
    rules.splice(rules.indexOf(text), 1);
  } else if (verb === "-X") {
    expect([rules, [...chains.values()].flat().filter((rule) => targetOf(rule) === chain)]).toEqual(
      [[], []],
    );
    chains.delete(chain);
  }
}

const targetOf = (rule: string) => / ?-j (KUBE-\S+)/.exec(rule)?.[1];

describe("many Services", () => {
  const numbered = (i: number, at = i) =>
    port({ key: `ns1/s${i}:p/TCP`, clusterIps: [`172.30.1.${at}`], nodePort: 30_000 + at });
  const many = (names: readonly number[]) => names.map((i) => numbered(i));
  const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  const fragmentsOf = (ports: readonly ServicePort[]) =>
    new Map(ports.map((one) => [one.key, renderPort(one, CIDR)]));

  test("come in several transactions, none of which jumps to a chain that is missing", () => {
    const kernel = new Tables();
    const tables = new TablesState(LAYOUT, baseRules(undefined), 10);
    const first = kernel.restore(tables.rebuild(fragmentsOf(many(range(0, 95))), NOTHING));
    expect(first).toBe(10 + 1);
    const whole = [...kernel.nat.keys()].length;
    const next = new TablesState(LAYOUT, baseRules(undefined), 10);
    const changed = many(range(50, 95)).map((one) => ({ ...one, allEndpoints: [TWO] }));
    const input = next.rebuild(fragmentsOf(changed), kernel.saved());
    // While the chains are written the former Services' rules lead to them.
    expect(input.match(/^:KUBE-SERVICES /gm)).toHaveLength(2);
    expect(input.match(/^:KUBE-MARK-MASQ /gm)).toHaveLength(2);
    kernel.restore(input);
    expect(whole - [...kernel.nat.keys()].length).toBe(50 * 3);
    expect(kernel.nat.get("KUBE-SERVICES")).toHaveLength(45 + 1);
    kernel.restore(next.change(new Map(many(range(60, 95)).map(({ key }) => [key, undefined]))));
    expect(kernel.nat.get("KUBE-SERVICES")).toHaveLength(10 + 1);
    kernel.restore(removal(kernel.saved(), LAYOUT, 3));
    kernel.expectEmpty();
  });

  test("are not written again by a rebuild where the kernel has their chains", () => {
    const services = fragmentsOf(many(range(0, 95)));
    const kernel = new Tables();
    kernel.restore(new TablesState(LAYOUT, baseRules(undefined), 10).rebuild(services, NOTHING));
    const written = (ports: typeof services) => {
      const tables = new TablesState(LAYOUT, baseRules(undefined), 10);
      const input = tables.rebuild(ports, kernel.saved());
      kernel.restore(input);
      expect(tables.isIntact(kernel.saved())).toBe(true);
      return [...input.matchAll(/^:(KUBE-(?:SVC|SEP|EXT)-\S+) /gm)].map(([, name]) => name);
    };
    expect(written(services)).toEqual([]);
    const { cluster, endpoint } = chainsOf(numbered(7));
    kernel.nat.set(endpoint(ONE), ["-j RETURN", "-j RETURN"]);
    expect(written(services)).toEqual([endpoint(ONE)]);
    const moved = fragmentsOf([{ ...numbered(7), allEndpoints: [TWO] }]);
    expect(written(new Map([...services, ...moved]))).toEqual([
      cluster,
      endpoint(TWO),
      endpoint(ONE),
    ]);
  });

  test("are one transaction where each would write the whole table", () => {
    const tables = new TablesState(LAYOUT, baseRules(undefined), Infinity);
    const input = tables.rebuild(fragmentsOf(many(range(0, 95))), NOTHING);
    expect(input.match(/^\*nat$/gm)).toHaveLength(1);
    const kernel = new Tables();
    kernel.restore(input);
    expect(tables.isIntact(kernel.saved())).toBe(true);
    kernel.restore(tables.rebuild(fragmentsOf(many(range(0, 95))), kernel.saved()));
    expect(tables.isIntact(kernel.saved())).toBe(true);
  });

  test.each([
    ["iptables", LAYOUT, baseRules(undefined), 10],
    ["iptables, one transaction of each table", LAYOUT, baseRules(undefined), Infinity],
    ["ipvs", IPVS_LAYOUT, ipvsRules(CIDR), 10],
  ])("a removal can be repeated after any of its transactions: %s", (_, layout, base, atOnce) => {
    const services = layout === LAYOUT ? fragmentsOf(many(range(0, 60))) : new Map();
    const input = new TablesState(layout, base, atOnce).rebuild(services, NOTHING);
    let stopped = 0;
    for (let isWhole = false; !isWhole; stopped++) {
      const kernel = new Tables();
      kernel.restore(input);
      const whole = removal(kernel.saved(), layout, atOnce);
      kernel.restore(whole, stopped);
      isWhole = stopped === whole.match(/^COMMIT$/gm)?.length;
      expect(hasJumps(kernel.saved(), layout)).toBe(!isWhole);
      kernel.restore(removal(kernel.saved(), layout, atOnce));
      kernel.expectEmpty();
    }
    expect(stopped).toBeGreaterThan(2);
  });

  test.each([
    [
      "to a Service of a later part",
      (i: number) => (i < 10 ? undefined : numbered(i, i < 85 ? i : i - 85)),
    ],
    ["to a Service of an earlier part", (i: number) => (i < 85 ? numbered(i, i + 10) : undefined)],
    ["between two Services", (i: number) => numbered(i, 94 - i)],
  ])("a frontend that moves %s has a rule all the time", (_, moved) => {
    const before = fragmentsOf(many(range(0, 95)));
    const tables = new TablesState(LAYOUT, baseRules(undefined), 10);
    const kernel = new Tables();
    kernel.restore(tables.rebuild(before, NOTHING));
    const changes = range(0, 95).map((i) => [numbered(i).key, moved(i)] as const);
    const served = () =>
      (kernel.nat.get("KUBE-SERVICES") ?? []).flatMap(
        (rule) => /-d (172\S+)\/32/.exec(rule)?.[1] ?? [],
      );
    const kept = changes
      .flatMap(([, now]) => now?.clusterIps ?? [])
      .filter((address) => served().includes(address));
    const input = tables.change(
      new Map(changes.map(([key, now]) => [key, now && renderPort(now, CIDR)])),
    );
    kernel.restore(input, Infinity, () => {
      for (const address of kept) expect(served()).toContain(address);
    });
    expect(kept.length).toBeGreaterThan(9);
    expect(tables.isIntact(kernel.saved())).toBe(true);
  });
});

/** Returns what iptables-save prints after an input was restored into empty tables. */
function saved(input: string): Record<TableName, string[]> {
  const kernel = new Tables();
  kernel.restore(input);
  return kernel.saved();
}

describe("a comparison with the kernel", () => {
  test("finds a rule, a chain and a jump that are missing", () => {
    const { tables, input } = state(port());
    const whole = saved(input);
    expect(tables.isIntact(whole)).toBe(true);
    const without = (what: RegExp) =>
      tables.isIntact({ ...whole, nat: whole.nat.filter((line) => !what.test(line)) });
    expect(without(/-j DNAT/)).toBe(false);
    expect(without(new RegExp(`^(-A |:)${SEP}`))).toBe(false);
    expect(without(/^-A PREROUTING/)).toBe(false);
  });

  test("a removal takes our chains, and nothing if the jumps are another's", () => {
    const whole = saved(state(port()).input);
    const input = removal({ ...whole, nat: [...whole.nat, ":OTHERS - [0:0]"] }, LAYOUT);
    expect(input).toMatch(/^-D PREROUTING /m);
    expect(input).toMatch(new RegExp(`^-X ${SVC}$`, "m"));
    expect(input).not.toMatch(/OTHERS/);
    const foreign = (all: string[]) => all.map((line) => line.replace("(r2k)", "(other)"));
    expect(removal({ filter: foreign(whole.filter), nat: foreign(whole.nat) }, LAYOUT)).toBe("");
  });
});
