import type { IPAddress, ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { apiVersionOf } from "@raft2kube/client-kube/rest/resource.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { IP_ADDRESSES, SERVICE_CIDRS } from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ControllerContext, Running } from "../context.ts";
import { closeAll, startLoop } from "../loop.ts";
import { protect, release } from "../pvprotection/finalizer.ts";
import {
  type CidrPlan,
  doOverlap,
  FINALIZER,
  mayKeep,
  planServiceCidr,
  type Readiness,
  says,
} from "./plan.ts";

const ACCOUNT = "service-cidrs-controller";
const COMPONENT = "service-cidr-controller";

/**
 * Makes ServiceCIDRs ready, and keeps one that is being deleted while Services have addresses that
 * are in no other.
 */
export function startServiceCidrs(context: ControllerContext): Running {
  const cidrs = context.informers.of(SERVICE_CIDRS);
  const addresses = context.informers.of(IP_ADDRESSES);
  const recorder = context.recorder(ACCOUNT, COMPONENT);
  const reconciler = new ServiceCidrReconciler(context, { cidrs, addresses }, recorder);
  // One at a time: of two that hold the same address only one may go.
  const loop = startLoop(context, {
    queue: "ipaddresses",
    name: COMPONENT,
    reads: [cidrs, addresses],
    workers: 1,
    reconcile: (key) => reconciler.reconcile(key),
  });
  const lookAt = (isConcerned: (each: ServiceCIDR) => boolean) => {
    for (const each of cidrs.store.list()) if (isConcerned(each)) loop.queue.add(keyOf(each));
  };
  const look = (changed: ServiceCIDR) => {
    loop.queue.add(keyOf(changed));
    lookAt((each) => doOverlap(each, changed));
  };
  cidrs.handle({
    added: look,
    updated: look,
    deleted(gone) {
      reconciler.forget(gone);
      look(gone);
    },
  });
  const lookAround = (address: IPAddress) => lookAt((each) => mayKeep(each, address));
  addresses.handle({ added: lookAround, deleted: lookAround });
  return closeAll(loop, recorder);
}

type Reads = { readonly cidrs: Informer<ServiceCIDR>; readonly addresses: Informer<IPAddress> };

class ServiceCidrReconciler {
  readonly #clock: Clock;
  readonly #reads: Reads;
  readonly #writer: ResourceClient<ServiceCIDR>;
  readonly #reader: ResourceClient<IPAddress>;
  readonly #recorder: EventRecorder;
  /** Uids of those without the finalizer that the informer may still show: they hold nothing. */
  readonly #released = new Set<string>();

  constructor(context: ControllerContext, reads: Reads, recorder: EventRecorder) {
    const client = context.client(ACCOUNT);
    this.#clock = context.clock;
    this.#reads = reads;
    this.#writer = client.resource(SERVICE_CIDRS);
    this.#reader = client.resource(IP_ADDRESSES);
    this.#recorder = recorder;
  }

  forget({ metadata: { uid = "" } }: ServiceCIDR): void {
    this.#released.delete(uid);
  }

  async reconcile(key: string): Promise<{ again_ms: number } | void> {
    const { cidrs, addresses } = this.#reads;
    const found = cidrs.store.get(key);
    if (!found) return;
    const plan = this.#plan(found, addresses.store.list());
    switch (plan.do) {
      case "protect":
        await protect(this.#writer, found, FINALIZER);
        return await this.#say(found, plan.condition);
      case "block":
        return await this.#say(found, plan.condition);
      case "wait":
        return { again_ms: plan.again_ms };
      case "release":
        return await this.#release(found);
      default:
        return plan satisfies never;
    }
  }

  #plan(found: ServiceCIDR, addresses: readonly IPAddress[]): CidrPlan {
    const { uid } = found.metadata;
    const others = this.#reads.cidrs.store
      .list()
      .filter(({ metadata }) => metadata.uid !== uid && !this.#released.has(metadata.uid ?? ""));
    return planServiceCidr(found, others, addresses, this.#clock.now());
  }

  async #release(found: ServiceCIDR): Promise<void> {
    // The informer may be late.
    const sure = this.#plan(found, (await this.#reader.listAll()).items);
    if (sure.do === "block") return await this.#say(found, sure.condition);
    this.#released.add(found.metadata.uid ?? "");
    await release(this.#writer, found, FINALIZER);
  }

  async #say(found: ServiceCIDR, condition: Readiness): Promise<void> {
    if (says(found, condition)) return;
    const { name = "" } = found.metadata;
    const lastTransitionTime = timeText(this.#clock.now());
    const status = { conditions: [{ ...condition, lastTransitionTime }] };
    const { kind } = SERVICE_CIDRS;
    const wanted = { apiVersion: apiVersionOf(SERVICE_CIDRS), kind, metadata: { name }, status };
    try {
      const options = { fieldManager: COMPONENT, force: true };
      await this.#writer.patch({ name, subresource: "status" }, "apply", wanted, options);
    } catch (thrown) {
      if (isNotFound(thrown)) return;
      if (condition.status === "True") {
        const message = "The ServiceCIDR Status can not be set to Ready=True";
        this.#recorder.record(found, "Warning", "KubernetesServiceCIDRError", message);
      }
      throw thrown;
    }
  }
}
