import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { Ipsets } from "@raft2kube/linux/netfilter/ipset.ts";
import { findIptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { Ipvs } from "@raft2kube/linux/netfilter/ipvs.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { type Logger, logger } from "@raft2kube/observe/log.ts";
import { changeAddresses, hasDevice, removeDevice } from "@raft2kube/proxy/apply/ipvs/device.ts";
import { FRESH_SET, SETS } from "@raft2kube/proxy/apply/ipvs/layout.ts";
import { modeNamed, removeOthers } from "@raft2kube/proxy/apply/modes.ts";
import type { Rules } from "@raft2kube/proxy/apply/rules.ts";
import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { ADDRESSES, CLUSTER_CIDR, TARGETS } from "../../testing/network/node-network.ts";
import { waitFor } from "../../testing/wait.ts";
import type { Implementation } from "../contract/proxy/implementation.ts";
import { ours } from "../contract/proxy/ours.ts";
import { NODE_PORT_ADDRESSES, RESTRICTED, RULES } from "../contract/proxy/suite.ts";
import { upstream } from "../contract/proxy/upstream.ts";
import { judgeGuard, judgePolicyHooks, judgeSources } from "./guards-in-guest.ts";
import { GUEST_ASK_MS, GUEST_WAIT_MS } from "./guest-wait.ts";
import { during, net, port, report } from "./proxy-trial.ts";

// Run inside a guest, whose kernel has IPVS: judges the modes, and prints
// `FOUND {"mode", "rule", "error"}` for each rule. Its arguments are the program of sctp.c and the
// schedulers to judge; without any it judges upstream's kube-proxy.

/** Parameters that IPVS mode sets beside `ip_forward`. */
const PARAMETERS = [
  "net.ipv4.vs.conntrack",
  "net.ipv4.vs.conn_reuse_mode",
  "net.ipv4.vs.expire_nodest_conn",
  "net.ipv4.vs.expire_quiescent_template",
  "net.ipv4.conf.all.arp_ignore",
  "net.ipv4.conf.all.arp_announce",
];
const [, , sctp, ...schedulers] = process.argv;
/** The programs of iptables are found once: a search starts two, for a second of a guest. */
const tools = await findIptables();
const parametersBefore = PARAMETERS.map(readSysctl);

async function judgeContract({ name: mode, refuses, start }: Implementation): Promise<void> {
  let served = await start();
  for (const { name, run } of RULES) {
    if (refuses[name] === undefined) await report(mode, name, () => run(net, served));
  }
  await served.close();
  served = await start(NODE_PORT_ADDRESSES);
  await report(mode, RESTRICTED.name, () => RESTRICTED.run(net, served));
  await served.close();
}

/** One after the other on the same virtual server, as after a restart with another flag. */
async function judgeSchedulers(): Promise<void> {
  for (const scheduler of schedulers) {
    await report("ipvs", `scheduler ${scheduler}`, () =>
      during(
        "ipvs",
        port("10.96.5.2"),
        async () => {
          using ipvs = new Ipvs();
          assert.deepEqual(
            ipvs.servers().map((server) => server.scheduler),
            [scheduler],
          );
          assert.match(await net.one.ask("10.96.5.2", 80), /^two /);
        },
        { ipvsScheduler: scheduler },
        scheduler === schedulers.at(-1),
      ),
    );
  }
}

/** A machine beside the node asks by ARP for addresses of Services, which the node's device has. */
async function judgeStrictArp(): Promise<void> {
  const ask = (ip: string) => {
    inNetns(net.outside.netns, () => {
      using route = openRoute();
      replaceRoute(route, { to: `${ip}/32`, link: getLink(route, "eth0").index });
    });
    return net.outside.ask(ip, 80, { timeout_ms: 5_000 });
  };
  for (const [name, ip, strictArp, expected] of [
    [
      "with strict ARP the node does not answer for a Service's address",
      "10.96.5.7",
      true,
      /^silent$|EHOSTUNREACH/,
    ],
    ["without strict ARP it does, also afterwards", "10.96.5.6", false, /^two /],
  ] as const) {
    await report("ipvs", name, () =>
      during(
        "ipvs",
        port(ip),
        async () => {
          assert.match(await ask(ip), expected);
        },
        { strictArp },
      ),
    );
  }
}

/** The virtual servers that other programs made, with their destinations. */
function serversOfOthers() {
  using ipvs = new Ipvs();
  return ipvs
    .servers()
    .filter(({ marked }) => !marked)
    .map((server) => ({
      ...server,
      destinations: ipvs
        .destinations(server)
        .map(({ address, port, weight }) => `${address}:${port} ${weight}`),
    }))
    .sort((a, b) => a.port - b.port);
}

/**
 * Virtual servers as a load balancer beside the proxy has them, one of them where that of a node
 * port would be. The other one stays.
 */
async function judgeOthers(): Promise<void> {
  const [beside, taken] = [7_000, 30_095].map((port) => ({
    address: ADDRESSES.node,
    protocol: "tcp" as const,
    port,
    scheduler: "wlc",
    persistence_s: 60,
  }));
  assert.ok(beside && taken);
  using ipvs = new Ipvs();
  for (const server of [beside, taken]) {
    ipvs.setServer(server);
    ipvs.setDestination(server, { address: ADDRESSES.one, port: TARGETS.http, weight: 3 });
  }
  const before = serversOfOthers();
  const areAsBefore = () => assert.deepEqual(serversOfOthers(), before);
  const served = { ...port("10.96.5.9"), nodePort: taken.port };
  await report("ipvs", "virtual servers of others stay over syncs and a removal", async () => {
    assert.equal(before.length, 2);
    await during("ipvs", served, async (rules) => {
      areAsBefore();
      assert.match(await net.outside.ask(ADDRESSES.node, taken.port), /^one /);
      assert.match(await net.outside.ask(ADDRESSES.gateway, taken.port), /^two /);
      for (const next of [undefined, served]) {
        await rules.change(new Map([[served.key, next]]));
        areAsBefore();
        assert.equal(await rules.intact(), true);
      }
    });
    areAsBefore();
  });
  await report("ipvs", "a node port that another program had is served once it is free", () =>
    during("ipvs", served, async (rules) => {
      ipvs.deleteServer(taken);
      assert.equal(await rules.intact(), false);
      await rules.rebuild([served], []);
      assert.equal(await rules.intact(), true);
      assert.match(await net.outside.ask(ADDRESSES.node, taken.port), /^two /);
    }),
  );
}

/** A destination that is no longer wanted, with a connection to it, and after that. */
async function judgeLeaving(): Promise<void> {
  const [ip, endpoint] = ["10.96.5.10", { address: ADDRESSES.one, port: TARGETS.http }];
  const served = port(ip);
  const destinations = () => {
    using ipvs = new Ipvs();
    const server = { address: ip, protocol: "tcp", port: 80 } as const;
    const found = ipvs.destinations(server);
    return found
      .map(({ address, weight }) => `${address} ${weight}`)
      .sort()
      .join();
  };
  await report("ipvs", "a destination has weight 0 until its connections have ended", () =>
    during("ipvs", served, async (rules) => {
      const { one } = net;
      assert.match(await one.open("leaving", ip, 80), /^two /);
      await rules.change(new Map([[served.key, { ...served, allEndpoints: [endpoint] }]]));
      assert.equal(destinations(), `${ADDRESSES.one} 1,${ADDRESSES.two} 0`);
      assert.match(await one.ask(ip, 80), /^one /);
      assert.match(await one.say("leaving"), /^two /);
      assert.equal(await rules.intact(), true);
      await one.reset("leaving");
      const isGone = () => destinations() === `${ADDRESSES.one} 1`;
      const patience = { timeout_ms: GUEST_WAIT_MS, interval_ms: GUEST_ASK_MS };
      await waitFor("its removal", isGone, { ...patience });
    }),
  );
}

/** Each endpoint is a call to the kernel. */
async function judgeTurns(): Promise<void> {
  const allEndpoints = Array.from({ length: 1_000 }, (_, at) => ({
    address: ADDRESSES.two,
    port: 1 + at,
  }));
  const served = port("10.96.5.11");
  await report("ipvs", "other work has turns while a Service of many endpoints is set", () =>
    during("ipvs", served, async (rules) => {
      let turns = 0;
      let turn = setImmediate(function count() {
        turns++;
        turn = setImmediate(count);
      });
      await rules.change(new Map([[served.key, { ...served, allEndpoints }]]));
      clearImmediate(turn);
      assert.ok(turns > 1, `${turns} turns`);
    }),
  );
  await report("ipvs", "an endpoint whose address the kernel refuses stops no other", () =>
    during("ipvs", served, async (rules) => {
      const broadcast = { address: ADDRESSES.node.replace(/\d+$/, "255"), port: 80 };
      const both = { ...served, allEndpoints: [broadcast, ...served.allEndpoints] };
      for (const apply of [
        () => rules.change(new Map([[served.key, both]])),
        () => rules.rebuild([both], []),
      ]) {
        await apply();
        assert.equal(await rules.intact(), true);
        assert.match(await net.one.ask("10.96.5.11", 80), /^two /);
      }
    }),
  );
}

/** The sets while those of a Service with many source ranges change, in each turn between. */
async function judgeSets(): Promise<void> {
  const ip = "203.0.113.20";
  const ranges = Array.from({ length: 4_000 }, (_, at) => `10.${at >> 8}.${at & 255}.0/24`);
  const firewall = { addresses: [ip], ranges };
  const served = { ...port("10.96.5.12"), externalIps: [ip], firewall };
  const inEachTurn = async (judge: () => boolean, work: () => Promise<void>) => {
    const found: boolean[] = [];
    let turn = setImmediate(function again() {
      found.push(judge());
      turn = setImmediate(again);
    });
    await work();
    clearImmediate(turn);
    assert.ok(found.length > 1 && !found.includes(false), `${found}`);
  };
  using sets = new Ipsets();
  using ipvs = new Ipvs();
  const sizes = () => Object.values(SETS).map((name) => sets.size(name));
  await during("ipvs", served, async (rules) => {
    await report("ipvs", "no set lacks an entry while all are written again", async () => {
      const before = sizes();
      sets.create(FRESH_SET, "hash:ip", 1); // of a process that was killed
      const isWhole = () => sizes().join() === before.join();
      await inEachTurn(isWhole, () => rules.rebuild([served], []));
      assert.deepEqual([isWhole(), sets.exists(FRESH_SET)], [true, false]);
    });
    await report("ipvs", "source ranges of a deleted Service outlive its servers", async () => {
      const isGuarded = () =>
        sets.size(SETS.guarded) === 1 || !ipvs.servers().some(({ address }) => address === ip);
      for (const remove of [
        () => rules.change(new Map([[served.key, undefined]])),
        () => rules.rebuild([], []),
      ]) {
        await rules.rebuild([served], []);
        await inEachTurn(isGuarded, remove);
        assert.deepEqual([sets.size(SETS.guarded), sets.size(SETS.admitted)], [0, 0]);
      }
    });
  });
}

/** Deletes by hand what makes the Service at `ip` work. */
const damages = (ip: string): Readonly<Record<string, () => void | Promise<unknown>>> => ({
  "a virtual server": () => {
    using ipvs = new Ipvs();
    for (const server of ipvs.servers()) if (server.marked) ipvs.deleteServer(server);
  },
  "a destination": () => {
    using ipvs = new Ipvs();
    for (const server of ipvs.servers().filter(({ marked }) => marked)) {
      for (const target of ipvs.destinations(server)) ipvs.deleteDestination(server, target);
    }
  },
  "an address of the device": () => changeAddresses([], [ip]),
  "the device": removeDevice,
  "the entries of a set": () => {
    using sets = new Ipsets();
    sets.flush(SETS.clusterIp);
  },
  "the rules of a chain": async () => {
    await tools.restore("*nat\n:KUBE-IPVS-SERVICES - [0:0]\nCOMMIT\n");
  },
});

async function judgeRepairs(): Promise<void> {
  const ip = "10.96.5.8";
  await during("ipvs", port(ip), async (rules) => {
    for (const [what, damage] of Object.entries(damages(ip))) {
      await report("ipvs", `${what} that is deleted by hand comes back`, async () => {
        await damage();
        assert.equal(await rules.intact(), false);
        await rules.rebuild([port(ip)], []);
        assert.equal(await rules.intact(), true);
        assert.match(await net.one.ask(ip, 80), /^two /);
      });
    }
  });
}

/** The mode is found, and undone, where its device was deleted while no proxy ran. */
async function judgeLostDevice(): Promise<void> {
  const ip = "10.96.5.10";
  const warnings: string[] = [];
  const log: Logger = { ...logger("guest"), warn: (text) => void warnings.push(text) };
  const start = async () => {
    const rules = modeNamed("ipvs").create({ clock: systemClock(), log });
    await rules.rebuild([port(ip)], []);
    await rules.close();
  };
  await report("ipvs", "a start after its device's deletion makes its note again", async () => {
    await start();
    removeDevice();
    await start();
    assert.match(warnings.join("\n"), /^the note of .* was deleted.*$/);
    assert.match(await net.one.ask(ip, 80), /^two /);
    await start();
    assert.equal(warnings.length, 1);
    assert.deepEqual(await removeOthers(), ["ipvs"]);
    assert.deepEqual(await traces(), OTHERS);
  });
  await report("ipvs", "a cleanup after its device's deletion leaves nothing of it", async () => {
    await start();
    removeDevice();
    assert.deepEqual(await removeOthers(), ["ipvs"]);
    assert.deepEqual(await traces(), OTHERS);
    assert.deepEqual(await removeOthers(), []);
  });
}

/** One SCTP Service port of the second pod, from the other pod and from outside. */
async function judgeSctp(mode: ModeName, sctp: string): Promise<void> {
  const target = 9000;
  const server = inNetns(net.two.netns, () => {
    return spawn(sctp, ["serve", String(target), "two"], { stdio: ["ignore", "pipe", "inherit"] });
  });
  await once(server.stdout, "data");
  const ip = "10.96.5.3";
  const endpoint = { address: ADDRESSES.two, port: target };
  const served: ServicePort = {
    ...port(ip),
    key: "default/sctp:p/SCTP",
    transport: "sctp",
    allEndpoints: [endpoint],
  };
  const ask = (netns: string) =>
    inNetns(netns, () => execFileSync(sctp, ["ask", ip, "80"], { encoding: "utf8" }).trim());
  await during(mode, served, async () => {
    await report(mode, "SCTP from a pod", async () =>
      assert.equal(ask(net.one.netns), `two ${ADDRESSES.one}`),
    );
    await report(mode, "SCTP from outside", async () =>
      assert.match(ask(net.outside.netns), /^two /),
    );
  });
  server.kill();
}

/** Lists traces of modes in this namespace, and virtual servers of other programs. */
async function traces(): Promise<string[]> {
  using ipvs = new Ipvs();
  using sets = new Ipsets();
  const saved = await tools.save("nat");
  const has = (prefix: string) => saved.some((line) => line.startsWith(`:${prefix}`));
  return [
    ...(has("KUBE-SVC-") ? ["iptables"] : []),
    ...(has("KUBE-IPVS-") ? ["ipvs chains"] : []),
    ...(hasDevice() ? ["ipvs device"] : []),
    ...(Object.values(SETS).some((name) => sets.exists(name)) ? ["ipvs sets"] : []),
    ...(ipvs.servers().some(({ marked }) => marked) ? ["ipvs servers"] : []),
    ...(PARAMETERS.map(readSysctl).join() === parametersBefore.join() ? [] : ["ipvs parameters"]),
    ...serversOfOthers().map(({ port }) => `another's server at ${port}`),
  ];
}

const OTHERS = ["another's server at 7000"];
const OF_IPVS = [
  "ipvs chains",
  "ipvs device",
  "ipvs sets",
  "ipvs servers",
  "ipvs parameters",
  ...OTHERS,
];

/** A restart in IPVS mode, and changes from and to it, while connections are under way. */
async function judgeChanges(): Promise<void> {
  const { one, outside } = net;
  const ip = "10.96.5.4";
  const dns: ServicePort = {
    ...port(ip),
    key: "default/dns:p/UDP",
    transport: "udp",
    port: 53,
    allEndpoints: [{ address: ADDRESSES.two, port: TARGETS.dns }],
  };
  let rules: Rules | undefined;
  const use = async (mode: ModeName) => {
    await rules?.close();
    rules = modeNamed(mode).create({
      clusterCidr: CLUSTER_CIDR,
      clock: systemClock(),
      log: logger("guest"),
    });
    await rules.rebuild([port(ip), dns], []);
    return await removeOthers(mode);
  };
  const query = () => one.ask(ip, dns.port, { protocol: "udp", localPort: 41_000 });
  await report("ipvs", "a connection continues while the proxy restarts", async () => {
    await use("ipvs");
    assert.match(await one.open("kept", ip, 80), /^two /);
    await rules?.close();
    assert.match(await one.say("kept"), /^two /);
    await use("ipvs");
    assert.match(await one.say("kept"), /^two /);
  });
  await report("ipvs", "a change to iptables leaves nothing of it", async () => {
    assert.deepEqual(await traces(), OF_IPVS);
    assert.match(await outside.open("masqueraded", ip, 80), /^two /);
    assert.match(await query(), /^two /);
    assert.deepEqual(await use("iptables"), ["ipvs"]);
    assert.deepEqual(await traces(), ["iptables", ...OTHERS]);
    assert.match(await one.ask(ip, 80), /^two /);
  });
  await report("ipvs", "after it a pod continues, if there is one endpoint", async () => {
    assert.match(await one.say("kept"), /^two /);
    assert.match(await query(), /^two /);
  });
  await report("ipvs", "after it a connection that was masqueraded is reset at once", async () => {
    assert.match(await outside.say("masqueraded"), /^(reset|closed)$/);
  });
  await report("ipvs", "a change from iptables keeps connections and no chains", async () => {
    assert.match(await one.open("moved", ip, 80), /^two /);
    assert.deepEqual(await use("ipvs"), ["iptables"]);
    assert.deepEqual(await traces(), OF_IPVS);
    assert.match(await one.ask(ip, 80), /^two /);
    assert.match(await one.say("moved"), /^two /);
    assert.match(await query(), /^two /);
  });
  await rules?.close();
  await report("ipvs", "a cleanup leaves what others have, and the former parameters", async () => {
    assert.deepEqual(await removeOthers(), ["ipvs"]);
    assert.deepEqual(await traces(), OTHERS);
  });
  using ipvs = new Ipvs();
  for (const server of serversOfOthers()) ipvs.deleteServer(server);
}

if (sctp === undefined) await judgeContract(upstream("ipvs"));
else {
  await judgeContract(ours("ipvs"));
  await judgeStrictArp();
  await judgeSchedulers();
  await judgeOthers();
  await judgeLeaving();
  await judgeTurns();
  await judgeSets();
  await judgeRepairs();
  await judgeLostDevice();
  for (const mode of ["ipvs", "iptables"] as const) await judgeSctp(mode, sctp);
  await judgeChanges();
  await judgeGuard();
  await judgePolicyHooks();
  await judgeSources();
}
net.close();
