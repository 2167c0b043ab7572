import { isDeepStrictEqual } from "node:util";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { ipv4Of, PEER_MANAGER } from "@raft2kube/api/networking/v1/policy-peers.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NETWORK_POLICIES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { NftTable } from "@raft2kube/linux/netfilter/nft-table/nft-table.ts";
import { type Logger, logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { delay, resultWithin } from "@raft2kube/std/wait.ts";
import { baseRules, TABLE } from "./base.ts";
import { forgetKnown } from "./former-flows.ts";
import {
  PLAN_REST_TIMES,
  POLICY_ADMIT_MS,
  POLICY_SYNC_DELAY_MS,
  POLICY_VERIFY_MS,
} from "./limits.ts";
import { Planner } from "./planner.ts";

export interface NetworkPolicyOptions {
  /**
   * Lists and watches NetworkPolicies, EndpointSlices and its node's pods: a node's identity, with
   * the rights of `cli/addons/07-network-policy.yaml`.
   */
  client: KubeClient;
  nodeName: string;
  /** The kernel's table. Default: that of this process's network namespace. */
  table?: Pick<NftTable, "rebuild" | "change" | "intact" | "close">;
  /** Deletes an address's conntrack entries. Default: those of this process's network namespace. */
  forget?: (address: string) => Promise<unknown>;
  clock: Clock;
  log?: Logger;
}

/** The enforcement of NetworkPolicies on a node. */
export interface NetworkPolicies {
  /** Resolves when they are in force for the first time. */
  readonly ready: Promise<void>;
  /**
   * Resolves when a pod's are in force, before each start of a container of it; `hasRun`: one had
   * this address already. Rejects with CodedError `NO_POLICIES`, after 10 s.
   */
  admit(pod: Pod, address: string, hasRun: boolean): Promise<void>;
  /** Drops the rules of a pod of which nothing runs, or will. */
  release(pod: Pod): void;
  /** Keeps the rules. */
  close(): Promise<void>;
}

/** A pod's address, and when the connections of its former pod are deleted, which happens once. */
type Assigned = { readonly address: string; forgotten: Promise<unknown> | undefined };

/**
 * Enforces NetworkPolicies for this node's pods, in the network namespace of this process. Peers
 * come from the slices of `controllers/networkpolicy`. One transaction runs at a time; a rebuild
 * follows a failed one.
 */
export class PolicyLoop implements NetworkPolicies {
  readonly #informers: InformerSet;
  readonly #pods: Informer<Pod>;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #planner = new Planner();
  readonly #table: NonNullable<NetworkPolicyOptions["table"]>;
  readonly #forget: NonNullable<NetworkPolicyOptions["forget"]>;
  readonly #passes: Runner;
  /** Addresses of pods by uid, as the kubelet knows them, before the pods' status shows them. */
  readonly #assigned = new Map<string, Assigned>();
  /** The pods that have these, by address: the last one that got it. */
  readonly #holders = new Map<string, string>();
  /** The pods of the API of which nothing runs: uids by key. */
  readonly #released = new Map<string, string>();
  readonly #first = Promise.withResolvers<void>();
  /** Whether there is a first list of everything. */
  #isSynced = false;
  /** Whether the kernel has what was planned last. */
  #isApplied = false;
  /** Called after the next transaction that succeeds. */
  #waiting: (() => void)[] = [];
  /** Signal that this closes: a pass ends without its rest. */
  readonly #closing = new AbortController();
  /** The pods in the log that are cut off. */
  #logged = "";

  constructor({ client, nodeName, clock, ...options }: NetworkPolicyOptions) {
    this.#clock = clock;
    this.#log = options.log ?? logger("network-policy");
    this.#table = options.table ?? new NftTable(TABLE);
    this.#forget = forgetKnown(this.#log, options.forget);
    this.#passes = new Runner({
      clock,
      min_ms: POLICY_SYNC_DELAY_MS,
      max_ms: POLICY_VERIFY_MS,
      run: () => this.#pass(),
      report: failureLog(this.#log, "network policies could not be applied; rebuilding them"),
    });
    const informers = new InformerSet(client);
    this.#informers = informers;
    const planner = this.#planner;
    this.#pods = informers.of(PODS, { fieldSelector: `spec.nodeName=${nodeName}` });
    this.#follow(informers.of(NETWORK_POLICIES), (policy, isThere) =>
      planner.setPolicy(keyOf(policy), isThere ? policy : undefined),
    );
    this.#follow(
      informers.of(ENDPOINT_SLICES, {
        labelSelector: `endpointslice.kubernetes.io/managed-by=${PEER_MANAGER}`,
      }),
      (slice, isThere) => planner.setSlice(slice, isThere),
    );
    this.#follow(this.#pods, (pod, isThere) => this.#setPod(pod, isThere), podFacts);
    informers.start();
    void informers.synced().then(() => {
      this.#isSynced = true;
      this.#passes.request(0);
    });
  }

  get ready(): Promise<void> {
    return this.#first.promise;
  }

  /**
   * Resolves when the policies of a pod are in force, and connections of the address's former pod
   * are forgotten: they would go on to this one, as they were admitted. Connections of its own
   * containers stay, also those from before this program. Rejects with CodedError `NO_POLICIES`
   * where the policies are not in force after POLICY_ADMIT_MS.
   */
  async admit(pod: Pod, address: string, hasRun: boolean): Promise<void> {
    const uid = uidOf(pod);
    const assigned = this.#assign(uid, address);
    if (hasRun) assigned.forgotten ??= Promise.resolve();
    const { forgotten } = assigned;
    const isPlanned = this.#planner.addressOf(ownerOf(pod)) === address;
    if (forgotten && isPlanned && this.#isApplied && !this.#planner.isChanged) {
      await forgotten;
      return;
    }
    this.#released.delete(keyOf(pod));
    const shown = this.#pods.store.get(keyOf(pod));
    this.#planner.setPod(ownerOf(pod), shown && uidOf(shown) === uid ? shown : pod, address);
    const applied = new Promise<true>((resolve) => this.#waiting.push(() => resolve(true)));
    if (this.#isSynced) this.#passes.request(0);
    if (await resultWithin(this.#clock, applied, POLICY_ADMIT_MS)) {
      await (assigned.forgotten ??= this.#forget(address).catch((thrown: unknown) => {
        assigned.forgotten = undefined;
        throw thrown;
      }));
      return;
    }
    throw new CodedError("NO_POLICIES", "the pod's network policies are not in force yet", {
      remedy: "see the node's log for why they could not be applied",
    });
  }

  release(pod: Pod): void {
    const [uid, owner] = [uidOf(pod), ownerOf(pod)];
    const address = this.#assigned.get(uid)?.address;
    this.#assigned.delete(uid);
    if (address !== undefined) this.#holders.delete(address);
    const shown = this.#pods.store.get(keyOf(pod));
    if (shown && uidOf(shown) === uid) this.#released.set(keyOf(pod), uid);
    if (this.#planner.addressOf(owner) === undefined) return;
    this.#planner.setPod(owner, undefined);
    if (this.#isSynced) this.#passes.request();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#informers.close();
    await this.#passes.close();
    this.#table.close();
  }

  #follow<T extends NetworkPolicy | EndpointSlice | Pod>(
    informer: Informer<T>,
    set: (object: T, isThere: boolean) => void,
    factsOf: (object: T) => unknown = (object) => object,
  ): void {
    const changed = (object: T, isThere: boolean) => {
      set(object, isThere);
      if (this.#isSynced && this.#planner.isChanged) this.#passes.request();
    };
    informer.handle({
      added: (object) => changed(object, true),
      updated(object, old) {
        if (!isDeepStrictEqual(factsOf(object), factsOf(old))) changed(object, true);
      },
      deleted: (object) => changed(object, false),
    });
  }

  /** Notes a pod's address, which is no other's any more. */
  #assign(uid: string, address: string): Assigned {
    const before = this.#assigned.get(uid);
    if (before?.address === address) return before;
    const former = this.#holders.get(address);
    if (former !== undefined) this.#assigned.delete(former);
    if (before) this.#holders.delete(before.address);
    const assigned: Assigned = { address, forgotten: undefined };
    this.#assigned.set(uid, assigned);
    this.#holders.set(address, uid);
    return assigned;
  }

  /**
   * Follows a pod. The rules of one that was deleted or has ended stay until it is released, or
   * another pod gets its address: a deletion by force leaves its containers the time that its
   * author chose.
   */
  #setPod(pod: Pod, isThere: boolean): void {
    const uid = uidOf(pod);
    if (!isThere) this.#released.delete(keyOf(pod));
    const isOver = !isThere || ["Succeeded", "Failed"].includes(pod.status?.phase ?? "");
    if (isOver || pod.spec.hostNetwork === true || this.#released.get(keyOf(pod)) === uid) return;
    const address = this.#assigned.get(uid)?.address ?? ipv4Of(pod);
    // The kubelet's word counts: a newer pod may have the address of the status already.
    if (address === undefined || (this.#holders.get(address) ?? uid) !== uid) return;
    this.#planner.setPod(ownerOf(pod), pod, address);
  }

  async #pass(): Promise<void> {
    if (!this.#isSynced) return;
    if (this.#isApplied && !this.#planner.isChanged && !(await this.#table.intact())) {
      this.#log.warn("rules of network policies are missing: another program changed them");
      this.#isApplied = false;
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    const rebuild = !this.#isApplied;
    this.#isApplied = false;
    const begun_ms = this.#clock.monotonic();
    let rest_ms: number;
    try {
      const transaction = rebuild
        ? this.#table.rebuild(baseRules(), this.#planner.all())
        : this.#table.change(this.#planner.take());
      rest_ms = PLAN_REST_TIMES * (this.#clock.monotonic() - begun_ms);
      await transaction;
    } catch (thrown) {
      this.#waiting.push(...waiting);
      throw thrown;
    }
    this.#isApplied = true;
    this.#first.resolve();
    for (const resolve of waiting) resolve();
    this.#report();
    if (rest_ms > 0) await delay(this.#clock, rest_ms, this.#closing.signal);
  }

  /** Logs the pods that are cut off when they are others than before. */
  #report(): void {
    const pods = [...this.#planner.cutOff].sort();
    if (pods.join() === this.#logged) return;
    this.#logged = pods.join();
    this.#log.warn("pods have policies of too many rules and are cut off", { pods });
  }
}

const uidOf = ({ metadata }: Pod) => metadata.uid ?? "";

/** Names a pod's rules: of two pods of one name both may run. */
const ownerOf = (pod: Pod) => `${keyOf(pod)}/${uidOf(pod)}`;

/** Returns the part of a pod that the plan reads: its status changes often. */
const podFacts = (pod: Pod) => [
  pod.metadata.uid,
  pod.metadata.labels,
  ipv4Of(pod),
  pod.status?.phase,
];
