import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { formatIp, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { isUnicast } from "@raft2kube/cni/lib/subnet.ts";
import { formatSubnetEnv, type SubnetEnv } from "@raft2kube/cni/lib/subnet-env.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import type { RouteEvents } from "@raft2kube/linux/netlink/events.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { OverlayNetwork } from "./apply.ts";
import { watchDrift } from "./drift.ts";
import { OverlayError } from "./errors.ts";
import { Guard, type GuardRules } from "./guard.ts";
import { ANNOTATION, annotationsOf, ownSubnet, vtepMac } from "./lease.ts";
import {
  OVERLAY_RETRY_FIRST_MS,
  OVERLAY_RETRY_MS_MAX,
  OVERLAY_SYNC_DELAY_MS,
  OVERLAY_VERIFY_MS,
} from "./limits.ts";
import { masqueradeRules, masqueradeTable } from "./masquerade.ts";
import { type NetConf, networkText } from "./net-conf.ts";
import { deviceName, type OverlayPlan, planOverlay, type Underlay } from "./plan.ts";
import { type Health, nodePatch } from "./publish.ts";
import { UdpRelay } from "./udp.ts";

export interface LoopOptions {
  nodes: Informer<Node>;
  resource: ResourceClient<Node>;
  network: OverlayNetwork;
  conf: NetConf;
  nodeName: string;
  /** The API servers' hosts, as clients name them. */
  apiServers: readonly string[];
  subnetFile: string;
  onSubnet: ((env: SubnetEnv) => Promise<void>) | undefined;
  iface: string | undefined;
  publicIp: string | undefined;
  reserved: readonly Subnet[];
  ipMasq: boolean;
  rules: GuardRules;
  clock: Clock;
  log: Logger;
}

/** The state that the last sync found. */
type Seen = { plan: OverlayPlan; underlay: Underlay; device: number | undefined };

const INTERNAL_IP = "InternalIP";

/**
 * Connects Nodes, plan and kernel. A sync looks at everything: it follows a change of a Node, one
 * of the kernel's tables, and each OVERLAY_VERIFY_MS. One runs at a time.
 */
export class OverlayLoop {
  readonly #options: LoopOptions;
  readonly #passes: Runner;
  /** Ends the handlers of the informer. */
  readonly #release: (() => void)[] = [];
  readonly #guard: Guard;
  readonly #masqueraded = masqueradeTable();
  readonly #ready = Promise.withResolvers<void>();
  /** The kernel's changes; set by `start`. */
  #events: RouteEvents | undefined;
  /** Why changes of the kernel may have been missed since the last sync started. */
  #missed: Error | undefined;
  /** The state of the last sync; undefined until the first. */
  #seen: Seen | undefined;
  /** Carries the packets of the last sync's tunnel, if that had one; `key` names its sockets. */
  #relay: { readonly key: string; readonly relay: UdpRelay } | undefined;
  /** The problems in the log; empty without any. */
  #logged = "";
  /** The content of subnetFile that `onSubnet` was called with; empty before. */
  #announced = "";

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#guard = new Guard(options.rules);
    this.#passes = new Runner({
      clock: options.clock,
      min_ms: OVERLAY_SYNC_DELAY_MS,
      max_ms: OVERLAY_VERIFY_MS,
      retry: { first_ms: OVERLAY_RETRY_FIRST_MS, most_ms: OVERLAY_RETRY_MS_MAX },
      run: () => this.#pass(),
      report: () => {}, // `problems` has it, which the log follows
    });
  }

  /** Resolves when this node is part of the overlay. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Problems of other nodes, or of this one, as of the last sync. */
  problems: readonly string[] = [];

  /** Starts to watch; throws when the kernel cannot be watched. */
  start(): void {
    const { nodes, network, conf } = this.#options;
    const touch = () => {
      if (nodes.hasSynced) this.#passes.request();
    };
    this.#events = watchDrift({
      network,
      range: conf.network,
      links: () => ({ device: this.#seen?.device, underlay: this.#seen?.underlay.index }),
      onChange: (missed) => {
        this.#missed ??= missed;
        touch();
      },
    });
    this.#release.push(
      nodes.handle({
        added: touch,
        deleted: touch,
        updated: (node, old) => {
          if (isChanged(node, old)) touch();
        },
      }),
    );
    nodes.start();
    void nodes.synced.then(() => this.#passes.request(0));
  }

  /** Ends the loop; the kernel keeps links and routes, and packets still flow, except by UDP. */
  async close(): Promise<void> {
    this.#events?.close();
    for (const release of this.#release) release();
    await this.#passes.close();
    this.#relay?.relay.close();
    await this.#options.nodes.close();
  }

  /** Syncs; throws if any of it was not done. */
  async #pass(): Promise<void> {
    if (this.#missed) {
      const fields = { reason: messageOf(this.#missed) };
      this.#options.log.info("changes of the network were missed: looking at all of it", fields);
      this.#missed = undefined;
    }
    let failures: readonly Error[];
    try {
      failures = await this.#sync();
    } catch (thrown) {
      this.#report([messageOf(thrown)]);
      if (!(thrown instanceof OverlayError)) throw thrown;
      await this.#publishFailure(thrown);
      // A range comes with a change of the Node, which no pause is to hold back.
      if (thrown.code !== "no-subnet") throw thrown;
      return;
    }
    if (failures.length > 0) throw new AggregateError(failures, "the overlay is not complete");
  }

  /** Resolves with what was not done of it; throws when this node's own part was not. */
  async #sync(): Promise<readonly Error[]> {
    const { nodes, network, conf, nodeName, log } = this.#options;
    const own = nodes.store.get(nodeName);
    if (!own) throw new OverlayError("no-subnet", `there is no Node ${nodeName} yet`);
    const subnet = ownSubnet(own, conf);
    const underlay = network.underlay({ iface: this.#options.iface, addresses: internalIps(own) });
    const name = conf.backend.type === "vxlan" ? deviceName(conf.backend) : undefined;
    // A link that is there keeps its address, which the other nodes have in their tables.
    const mac = (name && network.find(name)?.mac) || vtepMac(nodeName);
    const { reserved } = this.#options;
    const input = { conf, nodeName, subnet, mac, underlay, reserved };
    const plan = planOverlay({ ...input, nodes: nodes.store.list() });
    this.#carry(plan.tunnel);
    const { changes, failures } = network.apply(plan, underlay, this.#options.apiServers);
    const link = plan.tunnel?.name ?? name;
    const device = link === undefined ? undefined : network.find(link)?.index;
    this.#seen = { plan, underlay, device };
    if (changes.length > 0) log.info("the overlay was changed", { changes });
    const unguarded = await this.#protect(plan, underlay);
    await this.#masquerade();
    const gateway = `${formatIp({ family: 4, value: subnet.network + 1n })}/${subnet.prefix}`;
    await this.#writeSubnetFile(gateway, plan.mtu);
    const publicIp = this.#publicIp(own, underlay);
    await this.#publish(own, annotationsOf({ conf, publicIp, mac }), { works: true });
    this.#report([...plan.problems, ...failures.map(messageOf), ...unguarded]);
    this.#ready.resolve();
    return failures;
  }

  async #masquerade(): Promise<void> {
    const { network, conf, ipMasq, log } = this.#options;
    if (!ipMasq) return;
    if (await this.#masqueraded.ensure(network, masqueradeRules(conf.network))) {
      log.info("packets of pods to other networks are masqueraded");
    }
  }

  /** Keeps forged packets out of the overlay; returns why it cannot on this node. */
  async #protect(
    { encapsulation, sources = [] }: OverlayPlan,
    { address, name }: Underlay,
  ): Promise<string[]> {
    const { network, conf, ipMasq, log } = this.#options;
    const { backend } = conf;
    const isDirect = backend.type === "vxlan" && backend.directRouting;
    const podless = ipMasq && !isDirect ? { podless: name } : {};
    const guarded = { range: conf.network, local: address, sources, ...podless };
    try {
      if (await this.#guard.ensure(network, guarded, encapsulation)) {
        log.info("encapsulated packets are taken from the other nodes alone");
      }
      return [];
    } catch (thrown) {
      return [`pods can send encapsulated packets on this node: ${messageOf(thrown)}`];
    }
  }

  /** Carries the packets of a tunnel by this process, until its address or port is another. */
  #carry(tunnel: OverlayPlan["tunnel"]): void {
    const key = tunnel && `${tunnel.name} ${tunnel.local} ${tunnel.port}`;
    if (key !== this.#relay?.key) {
      this.#relay?.relay.close();
      this.#relay = undefined;
    }
    if (!tunnel || key === undefined) return;
    if (this.#relay) return this.#relay.relay.set(tunnel);
    const relay = new UdpRelay(this.#options.network, tunnel, (error) => {
      this.#options.log.warn("the tunnel ended, making it again", { reason: messageOf(error) });
      this.#relay = undefined;
      this.#passes.request();
    });
    this.#relay = { key, relay };
  }

  #publicIp(own: Node, underlay: Underlay): string {
    const overwrite = own.metadata.annotations?.[ANNOTATION.PUBLIC_IP_OVERWRITE];
    if (isUnicast(overwrite)) return overwrite;
    return this.#options.publicIp ?? underlay.address;
  }

  async #writeSubnetFile(gateway: string, mtu: number): Promise<void> {
    const { conf, ipMasq, subnetFile, onSubnet } = this.#options;
    const env = { networks: [networkText(conf)], subnets: [gateway], mtu, ipMasq };
    const text = formatSubnetEnv(env);
    if ((await readIfPresent(subnetFile)) !== text) {
      await replaceFile(subnetFile, text, { mode: 0o644 });
    }
    if (this.#announced === text) return;
    await onSubnet?.(env);
    this.#announced = text;
  }

  async #publish(own: Node, annotations: Record<string, string>, health: Health): Promise<void> {
    const { clock, resource, nodeName } = this.#options;
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, "Z");
    const patch = nodePatch(own, annotations, health, now);
    if (!patch) return;
    await resource.patch({ name: nodeName, subresource: "status" }, "strategic", patch);
  }

  async #publishFailure(why: OverlayError): Promise<void> {
    const { nodes, nodeName, log } = this.#options;
    const own = nodes.store.get(nodeName);
    if (!own) return;
    const message = why.remedy ? `${why.message}: ${why.remedy}` : why.message;
    try {
      await this.#publish(own, {}, { works: false, why: message });
    } catch (thrown) {
      log.warn("the Node's condition was not written", { reason: messageOf(thrown) });
    }
  }

  /** Logs problems when they are others than before. */
  #report(problems: readonly string[]): void {
    this.problems = problems;
    const text = problems.join("; ");
    if (text === this.#logged) return;
    this.#logged = text;
    const { log } = this.#options;
    if (text === "") log.info("all problems of the overlay are gone");
    else log.warn("the overlay has problems", { problems });
  }
}

/** Whether anything changed that the overlay reads: a node's status changes every few seconds. */
function isChanged(node: Node, old: Node): boolean {
  const textOf = ({ metadata, spec, status }: Node) =>
    JSON.stringify([
      metadata.annotations,
      spec?.podCIDRs ?? spec?.podCIDR,
      status?.addresses,
      status?.conditions?.find(({ type }) => type === "NetworkUnavailable"),
    ]);
  return node.metadata.uid !== old.metadata.uid || textOf(node) !== textOf(old);
}

function internalIps(node: Node): string[] {
  const addresses = node.status?.addresses ?? [];
  return addresses.filter(({ type }) => type === INTERNAL_IP).map(({ address }) => address);
}
