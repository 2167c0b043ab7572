import { deleteFdbEntry, listFdb } from "@raft2kube/linux/netlink/fdb.ts";
import {
  createBridge,
  createVxlan,
  deleteLink,
  getLink,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { deleteNeighbour, listNeighbours } from "@raft2kube/linux/netlink/neighbour.ts";
import { deleteRoute, listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { isUnwritten } from "../must.ts";
import { addressesOf, DEVICE, type Machine, nodeOf, POD_PORT, withMachines } from "./machines.ts";

const NODES = [nodeOf(1), nodeOf(2), nodeOf(3)];
const ANSWER_MS = 1_500;
const SILENCE_MS = 300;

/** Syncs machines; a judgement if the kernel refuses a change. */
function syncAll(machines: readonly Machine[], nodes = NODES): string[] {
  return machines.flatMap((machine) => {
    const { changes, failures } = machine.sync(nodes);
    judge(failures.length === 0, {
      when: `n${machine.index} applies its plan`,
      expected: "every change is made",
      happened: failures.join("; "),
      why: "the rest is done, but packets to that node are lost until the next sync",
    });
    return changes;
  });
}

async function judgePair(from: Machine, to: Machine, bytes: number, when: string): Promise<void> {
  const { pod } = addressesOf(to.index);
  const options = { protocol: "udp", bytes, timeout_ms: ANSWER_MS } as const;
  const answer =
    bytes === 0
      ? await from.pod.ask(pod, POD_PORT, { timeout_ms: ANSWER_MS })
      : await from.pod.ask(pod, POD_PORT, options);
  const expected = `n${to.index} ${addressesOf(from.index).pod}`;
  const size = bytes === 0 ? "opens a connection to" : `sends ${bytes} bytes by UDP to`;
  judge(answer === expected, {
    when: `${when}: the pod on n${from.index} ${size} the pod on n${to.index}, ${pod}`,
    expected: `an answer of n${to.index}, which saw ${addressesOf(from.index).pod}`,
    happened: answer,
    why: "every pod reaches every pod by its address, without translation (Kubernetes' model)",
  });
}

const pairs = (machines: readonly Machine[]) =>
  machines.flatMap((from) => machines.filter((to) => to !== from).map((to) => [from, to] as const));

check("packets: every pod reaches every other, up to the MTU and above", () =>
  withMachines(async (machines) => {
    syncAll(machines);
    for (const [from, to] of pairs(machines)) await judgePair(from, to, 0, "three nodes");
    const [one, two] = machines as [Machine, Machine];
    // 1450 less IPv4 and UDP; then in two and three fragments.
    for (const bytes of [1_422, 1_423, 4_000]) await judgePair(one, two, bytes, "MTU 1450");
  }),
);

/** How a link differs from what flannel makes. */
function describeLink(machine: Machine): string {
  return machine.network.inside(() => {
    using route = openRoute();
    const { mtu, up, mac, vxlan } = getLink(route, DEVICE);
    const { vni, port, local, learning } = vxlan ?? {};
    return (
      `${mac} mtu ${mtu} ${up ? "up" : "down"} id ${vni} local ${local} dstport ${port} ` +
      (learning ? "learning" : "nolearning")
    );
  });
}

check("packets: the link is made once, repaired, and made again if it cannot be", () =>
  withMachines(async (machines) => {
    const [one, two] = machines as [Machine, Machine, Machine];
    syncAll(machines);
    const { mac, address } = addressesOf(1);
    const expected = `${mac} mtu 1450 up id 1 local ${address} dstport 8472 nolearning`;
    judge(describeLink(one) === expected, {
      when: `ip -d link show ${DEVICE}`,
      expected,
      happened: describeLink(one),
      why: "a link that learns believes the outer source address of any packet",
    });
    const changes = syncAll([one]);
    judge(changes.length === 0, {
      when: "the plan is applied again",
      expected: "no change",
      happened: changes.join("; "),
      why: "a link that is made again loses all routes and entries for a moment, every 15 s",
    });
    one.network.inside(() => {
      using route = openRoute();
      setLink(route, getLink(route, DEVICE), { mtu: 1400, up: false });
    });
    syncAll([one]);
    judge(describeLink(one) === expected, {
      when: "the link was set down, with MTU 1400, by hand",
      expected,
      happened: describeLink(one),
      why: "what can be changed is changed: routes through the link stay",
    });
    const loopback = one.network.inside(() => {
      using route = openRoute();
      return getLink(route, "lo").index;
    });
    const others = [
      { port: 4789 },
      { learning: true },
      { vni: 9 },
      { local: "192.0.2.99" },
      { underlay: loopback },
      undefined,
    ];
    for (const other of others) {
      const what = other ? `with another setting, ${JSON.stringify(other)}` : "that is no VXLAN's";
      replaceLink(one, other && { vni: 1, port: 8472, local: address, learning: false, ...other });
      const made = syncAll([one]);
      judge(
        made.some((line) => line.startsWith(`made link ${DEVICE} again`)),
        {
          when: `there is a link of that name ${what}`,
          expected: "it is made again, and the changes say so",
          happened: made.join("; ") || "no change",
          why: "it cannot be changed later, and peers would not reach this node, or mislead it",
        },
      );
      judge(describeLink(one) === expected, {
        when: `there was a link of that name ${what}`,
        expected,
        happened: describeLink(one),
        why: "it cannot be changed later, and peers would not reach this node, or mislead it",
      });
    }
    const learns = one.network.inside(() => readSysctl(`net/ipv4/conf/${DEVICE}/accept_redirects`));
    judge(learns === "0", {
      when: `net.ipv4.conf.${DEVICE}.accept_redirects of the new link`,
      expected: "0",
      happened: learns,
      why: "a peer could send this node's packets another way (CVE-2020-10749)",
    });
    await judgePair(one, two, 0, "after the repair");
  }),
);

/** Puts another link in the place of the VXLAN link. */
function replaceLink(
  { network }: Machine,
  other: (Omit<Parameters<typeof createVxlan>[2], "underlay"> & { underlay?: number }) | undefined,
): void {
  network.inside(() => {
    using route = openRoute();
    deleteLink(route, DEVICE);
    if (!other) return createBridge(route, { name: DEVICE });
    const { index: underlay } = getLink(route, "eth0");
    createVxlan(route, { name: DEVICE }, { underlay, ...other });
  });
}

check("packets: another link with the same VNI and port is named, not a bare EEXIST", () =>
  withMachines(([one]) => {
    one!.network.inside(() => {
      using route = openRoute();
      const { index: underlay } = getLink(route, "eth0");
      const local = addressesOf(1).address;
      const same = { vni: 1, port: 8472, local, underlay, learning: false };
      createVxlan(route, { name: "other" }, same);
    });
    let happened = "the plan was applied";
    try {
      syncAll([one!]);
    } catch (thrown) {
      happened = codeOf(thrown) ?? String(thrown);
      if (!(thrown instanceof Error) || isUnwritten(thrown)) throw thrown;
    }
    judge(happened === "vni-in-use", {
      when: `another program's link has VNI 1 and port 8472 already; ${DEVICE} is made`,
      expected: "an error with the code vni-in-use",
      happened,
      why: "the kernel says EEXIST, and there is no link of that name: nobody would look for it",
    });
    return Promise.resolve();
  }),
);

check("packets: entries and routes that are deleted by hand come back", () =>
  withMachines(async (machines) => {
    syncAll(machines);
    const [one, two] = machines as [Machine, Machine];
    const deletions = [
      ["bridge fdb del", () => deleteEntries(one, listFdb, deleteFdbEntry)],
      ["ip neigh del", () => deleteEntries(one, listNeighbours, deleteNeighbour)],
      ["ip route del", () => deleteRoutes(one)],
    ] as const;
    for (const [command, run] of deletions) {
      run();
      const changes = syncAll([one]);
      judge(changes.length === 2, {
        when: `${command} for both peers on n1, and a sync`,
        expected: "the two that were deleted are set, nothing else",
        happened: `${changes.length} changes: ${changes.join("; ") || "none"}`,
        why: "other programs and people change tables: the overlay repairs its own",
      });
      await judgePair(one, two, 0, `after ${command}`);
    }
  }),
);

function deleteEntries(
  { network }: Machine,
  list: typeof listNeighbours,
  remove: typeof deleteNeighbour,
): void {
  network.inside(() => {
    using route = openRoute();
    const { index } = getLink(route, DEVICE);
    for (const item of list(route, index)) {
      if (item.permanent) remove(route, item);
    }
  });
}

function deleteRoutes({ network }: Machine): void {
  network.inside(() => {
    using route = openRoute();
    const { index } = getLink(route, DEVICE);
    for (const item of listRoutes(route)) {
      if (item.link === index && item.via !== undefined) deleteRoute(route, item);
    }
  });
}

check("packets: a node that leaves the cluster is not reached any more", () =>
  withMachines(async (machines) => {
    syncAll(machines);
    const [one, two, three] = machines as [Machine, Machine, Machine];
    await judgePair(one, three, 0, "before");
    syncAll([one], NODES.slice(0, 2));
    const options = { timeout_ms: SILENCE_MS };
    const answer = await one.pod.ask(addressesOf(3).pod, POD_PORT, options);
    judge(!answer.startsWith("n3"), {
      when: "the Node n3 was deleted; the pod on n1 connects to the pod on n3",
      expected: "no answer",
      happened: `an answer of ${answer}`,
      why: "n3's range is given to another node: packets for its pods must not go to n3",
    });
    await judgePair(one, two, 0, "n2 is still there");
    const again = syncAll([one], NODES.slice(0, 2));
    judge(again.length === 0, {
      when: "the Node n3 was deleted, and the plan is applied a second time",
      expected: "no change: what n3 had in the tables is gone",
      happened: again.join("; "),
      why: "what is left of a node misleads packets when its range or address is given again",
    });
  }),
);
