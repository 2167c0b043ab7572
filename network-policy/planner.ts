import { isIPv4 } from "node:net";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import {
  DIRECTIONS,
  type Direction,
  namedPorts,
  PEER_LABEL,
  termCount,
} from "@raft2kube/api/networking/v1/policy-peers.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { Element, Fragment } from "@raft2kube/linux/netfilter/nft-table/fragment.ts";
import type { Change } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import { digest } from "@raft2kube/std/digest.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import { ADDRESS_SET, PORT_SET } from "./base.ts";
import {
  type AddressSet,
  type CompiledPolicy,
  type CompiledRules,
  compilePolicy,
  localPortSet,
} from "./compile.ts";
import {
  RULES_OF_A_POLICY,
  RULES_OF_A_SET,
  RULES_OF_A_TERM,
  RULES_OF_NAMESPACE_MAX,
  RULES_OF_POD_MAX,
} from "./limits.ts";

/** A policy with its rules, which are made once. */
type Known = {
  readonly policy: NetworkPolicy;
  readonly compiled: CompiledPolicy;
  /** Cost of the policy, of RULES_OF_NAMESPACE_MAX, but for its sets of peers. */
  readonly cost: number;
  /** The part of the cost for comparing the policy with pods. */
  readonly comparing: number;
};

/**
 * Plans the table of a node's policies. It is given changes of policies, slices and pods, and
 * returns the fragments of the table that differ: of policies, of the sets of their peers, and of
 * this node's pods. No I/O.
 */
export class Planner {
  readonly #policies = new Map<string, Known>();
  /** The costs of all policies, and the sets of their peers, of each namespace that has some. */
  readonly #costs = new Map<string, number>();
  /** This node's pods that have an address, by key. */
  readonly #pods = new Map<string, { readonly pod: Pod; readonly address: string }>();
  /** The slices of each peer, by their keys. */
  readonly #peers = new Map<string, Map<string, EndpointSlice>>();
  /** The sets that rules look up, and the policies that do. */
  readonly #sets = new Map<string, { readonly set: AddressSet; readonly users: Set<string> }>();
  /** The names of these by the peers that they have. */
  readonly #setsOf = new Groups();
  /** Owners of fragments to be rendered again: a policy, a pod or a set, and its key. */
  readonly #dirty = new Set<string>();
  /** Pods whose policies are too many, by direction; for the log. */
  readonly cutOff = new Set<string>();

  setPolicy(key: string, policy: NetworkPolicy | undefined): void {
    const before = this.#policies.get(key);
    const namespace = namespaceOf(key);
    const wasOver = this.#isOver(namespace);
    const compiled = policy && compilePolicy(policy);
    for (const set of setsOf(before?.compiled)) this.#use(set, key, false);
    for (const set of setsOf(compiled)) this.#use(set, key, true);
    const known = policy && compiled && { policy, compiled, ...costOf(policy, compiled) };
    if (known) this.#policies.set(key, known);
    else this.#policies.delete(key);
    this.#dirty.add(`policy ${key}`);
    this.#addCost(namespace, (known?.cost ?? 0) - (before?.cost ?? 0));
    if (this.#isOver(namespace) !== wasOver) {
      for (const [name, known] of this.#policies) {
        if (known.policy.metadata.namespace !== namespace) continue;
        this.#dirty.add(`policy ${name}`);
        for (const set of setsOf(known.compiled)) this.#dirty.add(`set ${set.name}`);
      }
    }
    for (const [name, { pod }] of this.#pods) {
      if (pod.metadata.namespace === namespace) this.#dirty.add(`pod ${name}`);
    }
  }

  /** Sets a pod of this node and its address; undefined for none of its own, or when it ended. */
  setPod(key: string, pod: Pod | undefined, address?: string): void {
    this.#pods.delete(key);
    this.#dirty.add(`pod ${key}`);
    if (!pod || address === undefined) return;
    // An address is one pod's: of the one that got it last.
    for (const [other, known] of this.#pods) {
      if (known.address !== address) continue;
      this.#pods.delete(other);
      this.#dirty.add(`pod ${other}`);
    }
    this.#pods.set(key, { pod, address });
  }

  /** The address of a pod of this node, if it is planned. */
  addressOf(key: string): string | undefined {
    return this.#pods.get(key)?.address;
  }

  setSlice(slice: EndpointSlice, isThere: boolean): void {
    const { namespace = "", labels = {} } = slice.metadata;
    const peer = `${namespace}/${labels[PEER_LABEL] ?? ""}`;
    const slices = this.#peers.get(peer) ?? new Map<string, EndpointSlice>();
    if (isThere) slices.set(keyOf(slice), slice);
    else slices.delete(keyOf(slice));
    if (slices.size > 0) this.#peers.set(peer, slices);
    else this.#peers.delete(peer);
    for (const name of this.#setsOf.of(peer)) this.#dirty.add(`set ${name}`);
  }

  /** Whether something changed since the last call of `take` or `all`. */
  get isChanged(): boolean {
    return this.#dirty.size > 0;
  }

  /** Returns the changes since the last call. */
  take(): Change[] {
    const changes = [...this.#dirty].map((owner): Change => {
      const at = owner.indexOf(" ");
      const [kind, key] = [owner.slice(0, at), owner.slice(at + 1)];
      const fragment =
        kind === "policy"
          ? this.#policyFragment(key)
          : kind === "set"
            ? this.#setFragment(key)
            : this.#podFragment(key);
      return { owner, fragment };
    });
    this.#dirty.clear();
    return changes;
  }

  /** Returns all fragments, for a new table. */
  all(): Change[] {
    for (const key of this.#policies.keys()) this.#dirty.add(`policy ${key}`);
    for (const name of this.#sets.keys()) this.#dirty.add(`set ${name}`);
    for (const key of this.#pods.keys()) this.#dirty.add(`pod ${key}`);
    return this.take();
  }

  /** Whether the policies of a namespace are too many: its pods are cut off. */
  #isOver(namespace: string | undefined): boolean {
    return (this.#costs.get(namespace ?? "") ?? 0) > RULES_OF_NAMESPACE_MAX;
  }

  #addCost(namespace: string, more: number): void {
    const cost = (this.#costs.get(namespace) ?? 0) + more;
    if (cost > 0) this.#costs.set(namespace, cost);
    else this.#costs.delete(namespace);
  }

  /** Notes whether a policy looks up a set. */
  #use(set: AddressSet, policy: string, isUsed: boolean): void {
    const { users } = this.#sets.get(set.name) ?? { users: new Set<string>() };
    const before = users.size;
    if (isUsed) users.add(policy);
    else users.delete(policy);
    if (users.size > 0) this.#sets.set(set.name, { set, users });
    else this.#sets.delete(set.name);
    if (before > 0 === users.size > 0) return;
    this.#addCost(namespaceOf(policy), isUsed ? RULES_OF_A_SET : -RULES_OF_A_SET);
    this.#dirty.add(`set ${set.name}`);
    for (const peer of set.peers) {
      if (isUsed) this.#setsOf.add(peer, set.name);
      else this.#setsOf.delete(peer, set.name);
    }
  }

  #policyFragment(key: string): Fragment | undefined {
    const known = this.#policies.get(key);
    if (!known || this.#isOver(known.policy.metadata.namespace)) return undefined;
    const fragment = emptyFragment();
    for (const direction of DIRECTIONS) {
      const rules = known.compiled[direction];
      if (!rules) continue;
      fragment.chains.set(rules.chain, [...rules.rules]);
      for (const port of rules.ports) fragment.sets.set(localPortSet(port), PORT_SET);
    }
    return fragment;
  }

  #setFragment(name: string): Fragment | undefined {
    const used = this.#sets.get(name);
    const isInForce = [...(used?.users ?? [])].some((key) => !this.#isOver(namespaceOf(key)));
    if (!used || !isInForce) return undefined;
    const { peers, port } = used.set;
    const fragment = emptyFragment();
    fragment.sets.set(name, port ? PORT_SET : ADDRESS_SET);
    const keys = new Set<string>();
    for (const slice of peers.flatMap((peer) => [...(this.#peers.get(peer)?.values() ?? [])])) {
      const found = slice.ports?.find(
        (each) => each.name === port?.name && each.protocol === port?.protocol,
      );
      if (port && found?.port === undefined) continue;
      const suffix = found ? ` . ${found.protocol?.toLowerCase()} . ${found.port}` : "";
      // A writer of slices could put names here, which nft would look up.
      const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses[0] ?? []);
      for (const address of addresses.filter(isIPv4)) keys.add(`${address}${suffix}`);
    }
    for (const key of keys) fragment.elements.push({ set: name, key, value: "" });
    return fragment;
  }

  #podFragment(key: string): Fragment | undefined {
    const known = this.#pods.get(key);
    for (const direction of DIRECTIONS) this.cutOff.delete(`${key} ${direction}`);
    if (!known) return undefined;
    const { pod, address } = known;
    const fragment = emptyFragment();
    const isOver = this.#isOver(pod.metadata.namespace);
    const policies = this.#policiesOf(pod);
    const ports = isOver ? [] : policies.flatMap(({ compiled }) => compiled.ingress?.ports ?? []);
    // Of a pod's ports, which are its author's to number, those that rules look up.
    const lookedUp = new Set(ports.map(localPortSet));
    for (const named of namedPorts(pod)) {
      const set = localPortSet(named);
      if (!lookedUp.has(set)) continue;
      fragment.sets.set(set, PORT_SET);
      const number = `${named.protocol.toLowerCase()} . ${named.port}`;
      fragment.elements.push({ set, key: `${address} . ${number}`, value: "" });
    }
    for (const direction of DIRECTIONS) {
      const applied = policies.flatMap(({ compiled }) => compiled[direction] ?? []);
      if (applied.length === 0) continue;
      const inForce = isOver ? [] : applied;
      const chain = this.#podChain(`${key} ${direction}`, direction, inForce, fragment);
      fragment.elements.push({ set: direction, key: address, value: `goto ${chain}` });
    }
    if (fragment.chains.size > 0) {
      fragment.elements.push({ set: "self", key: `${address} . ${address}`, value: "" });
    }
    return fragment;
  }

  /** Adds the chain of the pods that have the same policies, all or none; returns its name. */
  #podChain(
    name: string,
    direction: Direction,
    applied: readonly CompiledRules[],
    fragment: Fragment,
  ): string {
    const jumps = applied.map(({ chain }) => `jump ${chain}`).sort();
    const cost = applied.reduce((sum, each) => sum + each.cost, jumps.length);
    const isOver = cost > RULES_OF_POD_MAX || applied.length === 0;
    if (isOver) this.cutOff.add(name);
    const chain = `pods-${direction}-${isOver ? "none" : digest(jumps.join())}`;
    fragment.chains.set(chain, isOver ? ["drop"] : [...jumps, "drop"]);
    return chain;
  }

  /**
   * Returns the policies that select a pod. Of a namespace with too many to be compared with it,
   * the further ones are among them: then it is cut off.
   */
  #policiesOf({ metadata: { namespace, labels } }: Pod): Known[] {
    let compared = 0;
    return [...this.#policies.values()].filter(({ policy: { metadata, spec }, comparing }) => {
      if (metadata.namespace !== namespace) return false;
      compared += comparing;
      return compared > RULES_OF_NAMESPACE_MAX || matchesSelector(spec.podSelector ?? {}, labels);
    });
  }
}

/** The namespace of a policy's key. */
const namespaceOf = (key: string) => key.slice(0, key.indexOf("/"));

function costOf({ spec }: NetworkPolicy, compiled: CompiledPolicy) {
  const costs = DIRECTIONS.map((direction) => compiled[direction]?.cost ?? 0);
  const made = costs.map((cost) => (cost > RULES_OF_POD_MAX ? 1 : cost));
  const comparing = RULES_OF_A_POLICY + RULES_OF_A_TERM * termCount(spec.podSelector);
  const ports = RULES_OF_A_SET * (compiled.ingress?.ports.length ?? 0);
  return { comparing, cost: made.reduce((sum, cost) => sum + cost, comparing + ports) };
}

function setsOf(compiled: CompiledPolicy = {}): AddressSet[] {
  return DIRECTIONS.flatMap((direction) => compiled[direction]?.sets ?? []);
}

function emptyFragment(): Fragment & { elements: Element[] } {
  return { chains: new Map(), sets: new Map(), elements: [] };
}
