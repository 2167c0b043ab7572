import { existsSync, readFileSync } from "node:fs";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { nftGeneration } from "@raft2kube/linux/netfilter/nft.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { withPrograms } from "../../../testing/programs.ts";
import { servicePort } from "../../../testing/service-port.ts";
import type { Rules } from "../rules.ts";
import { IPTABLES_MODE } from "./apply.ts";
import { baseRules, LAYOUT } from "./base.ts";
import { renderPort } from "./fragment.ts";
import { TablesState } from "./state.ts";
import { saveTables } from "./tables.ts";

/** More than one transaction takes. */
const SERVICES = 200;

function service(i: number, endpoint = "10.1.0.1") {
  return servicePort({
    key: `ns/s${i}:/TCP`,
    clusterIps: [`10.96.${i >> 8}.${i & 255}`],
    allEndpoints: [{ address: endpoint, port: 80 }],
  });
}
const change = (i: number, endpoint: string) => {
  const port = service(i, endpoint);
  return new Map([[port.key, port]]);
};

/**
 * The programs of iptables that this process runs, by pid; one that has ended has no file any more.
 * Other files' programs may run in the same process, as esbuild's.
 */
const programs = () =>
  (readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").match(/\d+/g) ?? []).filter(
    (pid) =>
      existsSync(`/proc/${pid}/exe`) &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("iptables-"),
  );

describe.runIf(process.getuid?.() === 0)("rules of every kind", () => {
  it.each(["nft", "legacy"] as const)("are as iptables-%s-save prints them", async (kind) => {
    const namespaces = createNamespaces("r2k-iptprinted-");
    onTestFinished(() => namespaces.close());
    enterNetns(namespaces.add("node"));
    const tools = iptables(kind);
    const endpoints = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ address: `10.1.0.${i + 1}`, port: 80 }));
    const local = { internalLocal: true, externalLocal: true, localEndpoints: endpoints(2) };
    const guarded = { addresses: ["203.0.113.9"], ranges: ["198.51.100.0/24", "0.0.0.0/0"] };
    const ports = [
      { key: "ns/many:p/TCP", allEndpoints: endpoints(30), nodePort: 30_001 },
      { key: "ns/sticky:p/TCP", allEndpoints: endpoints(3), affinity_s: 60 },
      { key: "ns/local:p/UDP", transport: "udp", allEndpoints: endpoints(3), ...local },
      {
        key: "ns/lb:p/TCP",
        externalIps: guarded.addresses,
        firewall: guarded,
        ...local,
        allEndpoints: endpoints(3),
      },
      { key: "ns/sctp:p/SCTP", transport: "sctp", allEndpoints: endpoints(1) },
    ] as const;
    const fragments = ports.map((port, i) => {
      const whole = servicePort({ clusterIps: [`10.96.0.${i}`], ...structuredClone<object>(port) });
      return [port.key, renderPort(whole, "10.1.0.0/16")] as const;
    });
    const rebuild = async () =>
      new TablesState(LAYOUT, baseRules(undefined)).rebuild(fragments, await saveTables(tools));
    const first = await rebuild();
    expect(first).toMatch(/^:KUBE-FW-/m);
    await tools.restore(first);
    expect(await rebuild()).not.toMatch(/^:KUBE-(SVC|SVL|EXT|FW|SEP)-/m);
  });
});

describe.runIf(process.getuid?.() === 0)("the tables of iptables mode", () => {
  const tools = iptables("nft");
  let namespaces: Namespaces;
  let rules: Rules;

  beforeEach(async () => {
    namespaces = createNamespaces("r2k-iptapply-");
    enterNetns(namespaces.add("node"));
    rules = IPTABLES_MODE.create({
      clusterCidr: "10.1.0.0/16",
      clock: systemClock(),
      log: logger("test"),
    });
    await rules.rebuild(
      Array.from({ length: SERVICES }, (_, i) => service(i)),
      [],
    );
  });
  afterEach(async () => {
    await rules.close();
    namespaces.close();
  });

  const rulesOf = async (chain: RegExp) =>
    (await tools.save("nat")).filter((line) => line.startsWith("-A ") && chain.test(line));

  it("have all Services after a rebuild, and after one of what is there", async () => {
    expect(await rulesOf(/^-A KUBE-SERVICES .*-j KUBE-SVC-/)).toHaveLength(SERVICES);
    expect(await rules.intact()).toBe(true);
    await rules.rebuild([service(0)], []);
    expect(await rulesOf(/^-A KUBE-SE(RVICES|P)/)).toHaveLength(1 + 1 + 2);
    expect(await rules.intact()).toBe(true);
  });

  it("are kept and compared while others' transactions make iptables-save start again", async () => {
    const endless = { "iptables-nft-save": "kill -9 $$" }; // as after its time
    await withPrograms(endless, async () => {
      expect(await IPTABLES_MODE.isPresent()).toBe(true);
      await rules.rebuild([service(0), service(1)], []);
      await rules.change(change(1, "10.1.0.2"));
      expect(await rules.intact()).toBe(true);
      for (const damage of ["-D PREROUTING 1", "-F KUBE-SERVICES\n-X KUBE-NODEPORTS"]) {
        await tools.restore(`*nat\n${damage}\nCOMMIT\n`);
        expect(await rules.intact()).toBe(false);
        await rules.rebuild([service(0)], []);
        expect(await rules.intact()).toBe(true);
      }
    });
    expect(await rulesOf(/^-A KUBE-SE(RVICES|P)/)).toHaveLength(1 + 1 + 2);
    expect(await rulesOf(/ -j KUBE-SERVICES$/)).toHaveLength(2);
    expect(await rules.intact()).toBe(true);
  });

  it("are changed by the process that rebuilt them, which ends with the mode", async () => {
    const running = programs();
    expect(running).toHaveLength(1);
    await rules.change(change(0, "10.1.0.2"));
    expect(await rulesOf(/DNAT --to-destination 10.1.0.2:80$/)).toHaveLength(1);
    expect(programs()).toEqual(running);
    await rules.close();
    expect(programs()).toEqual([]);
  });

  it("are not read again until a transaction of others", async () => {
    expect(await rules.intact()).toBe(true);
    await rules.change(change(0, "10.1.0.2"));
    const before = nftGeneration();
    const path = process.env["PATH"];
    process.env["PATH"] = "/nowhere";
    try {
      expect(await rules.intact()).toBe(true);
    } finally {
      process.env["PATH"] = path;
    }
    await tools.restore("*nat\n:KUBE-MARK-MASQ - [0:0]\nCOMMIT\n");
    expect(nftGeneration()).toBe(before + 1);
    expect(await rules.intact()).toBe(false);
  });

  it("are compared where a change follows a transaction of others", async () => {
    expect(await rules.intact()).toBe(true);
    await tools.restore("*nat\n:KUBE-MARK-MASQ - [0:0]\nCOMMIT\n");
    await rules.change(change(0, "10.1.0.2"));
    await rules.change(change(0, "10.1.0.3"));
    expect(await rules.intact()).toBe(false);
    await rules.rebuild([service(0)], []);
    expect(await rules.intact()).toBe(true);
  });

  it("are rebuilt after a rebuild that could not read them, of which nothing goes on", async () => {
    // More than a pipe takes: the program is still busy when the tables could not be read.
    const services = Array.from({ length: 5 * SERVICES }, (_, i) => service(i, "10.1.0.2"));
    const [pid] = programs();
    process.kill(Number(pid), "SIGSTOP");
    const refused = `kill -CONT ${pid}; echo refused >&2; exit 1`;
    await withPrograms({ "iptables-nft-save": refused }, () =>
      expect(rules.rebuild(services, [])).rejects.toThrow("refused"),
    );
    await rules.rebuild([service(0)], []);
    expect(await rules.intact()).toBe(true);
  });

  it("are rebuilt after a change that was refused", async () => {
    const [, own] = /-j (KUBE-SVC-\S+)/.exec((await rulesOf(/-d 10.96.0.0\/32/))[0] ?? "") ?? [];
    await tools.restore(`*nat\n:KUBE-SERVICES - [0:0]\n:${own} - [0:0]\n-X ${own}\nCOMMIT\n`);
    await expect(rules.change(new Map([[service(0).key, undefined]]))).rejects.toMatchObject({
      code: "iptables-refused",
    });
    await rules.rebuild([service(1)], []);
    expect(await rules.intact()).toBe(true);
  });
});
