import { type Amounts, isPodLevelResource } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { isMadeByNode } from "@raft2kube/api/core/v1/pod/mirror.ts";
import { covers } from "@raft2kube/api/core/v1/quota/scopes.ts";
import { usageOf } from "@raft2kube/api/core/v1/quota/usage.ts";
import type { Container, Pod, ResourceQuota } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { updateManagedFields } from "@raft2kube/apimachinery/managed-fields/update.ts";
import { IDENTITY } from "@raft2kube/observe/server-identity.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { own } from "@raft2kube/std/own.ts";
import { addQuantity, compareQuantity, subtractQuantity } from "@raft2kube/std/quantity.ts";
import type { Entry } from "../../object/entry.ts";
import type { Resource } from "../../resource/resource.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, refusal } from "../plugin.ts";
import { ObjectsIn } from "./objects-in.ts";

type Quota = ResourceQuota & KubeObject;

/** Resources that, once limited, every container must ask for. */
const ASKED_FOR: Readonly<Record<string, readonly ["requests" | "limits", string]>> = {
  cpu: ["requests", "cpu"],
  memory: ["requests", "memory"],
  "requests.cpu": ["requests", "cpu"],
  "requests.memory": ["requests", "memory"],
  "limits.cpu": ["limits", "cpu"],
  "limits.memory": ["limits", "memory"],
};

/** The server itself sets the usage, without a quota check. */
const STATUS_WRITE = { fieldManager: IDENTITY, subresource: "status" };

/** Resources whose updates may take more than before, with their subresources that may as well. */
const GROWING: Readonly<Record<string, readonly string[]>> = {
  pods: ["resize"],
  services: [],
  persistentvolumeclaims: ["status"],
};

/**
 * Takes what a new object needs out of its namespace's quotas, in their status, before it is
 * stored; the controller counts again what was taken for objects that then did not come to be.
 */
export function resourceQuota(context: AdmissionContext): AdmissionPlugin {
  const quotas = context.resources.of("v1", "resourcequotas");
  const quotasIn = new ObjectsIn(quotas, context.clock);
  const charges = new Charges(quotas, context.clock);
  /** Throws when a quota has no room now. */
  const ask = async (request: AdmissionRequest, { namespace, name }: Entry) => {
    const quota = await quotas.store.find<Quota>(namespace, name);
    if (quota) take(request, quota, context.clock.now());
  };
  return {
    name: "ResourceQuota",
    async validate(request) {
      quotasIn.watch(request);
      if (!isAbout(request)) return;
      const ours = await quotasIn.of(request.namespace);
      // Usage added to one quota is not released if another one refuses: all are checked first.
      if (ours.length > 1) await Promise.all(ours.map((each) => ask(request, each)));
      for (const each of ours) await charges.take(request, each);
    },
  };
}

/** A request that waits until what it takes is in a quota's status. */
type Charge = { request: AdmissionRequest } & PromiseWithResolvers<void>;

/**
 * Writes to the status of quotas, one at a time for each: requests that arrive meanwhile share the
 * next one (upstream: checkQuotas), and are as many as the server works on at most.
 */
class Charges {
  readonly #quotas: Resource;
  readonly #clock: Clock;
  /** The requests for the next write, of quotas with one under way. */
  readonly #waiting = new Map<string, Charge[]>();

  constructor(quotas: Resource, clock: Clock) {
    this.#quotas = quotas;
    this.#clock = clock;
  }

  /** Resolves once the request is in the quota's status; rejects with 403 if it has no room. */
  take(request: AdmissionRequest, { namespace, name }: Entry): Promise<void> {
    const charge = { request, ...Promise.withResolvers<void>() };
    const key = `${namespace}/${name}`;
    const waiting = this.#waiting.get(key);
    if (waiting) waiting.push(charge);
    else void this.#writeAll(key, namespace, name, [charge]);
    return charge.promise;
  }

  async #writeAll(key: string, namespace: string, name: string, first: Charge[]): Promise<void> {
    for (let charges = first; charges.length > 0; charges = this.#waiting.get(key)!) {
      this.#waiting.set(key, []);
      await this.#write(namespace, name, charges);
    }
    this.#waiting.delete(key);
  }

  /** Settles the charges, each in its turn on the status that those before it left. */
  async #write(namespace: string, name: string, charges: readonly Charge[]): Promise<void> {
    const refused = new Map<Charge, unknown>();
    try {
      await this.#quotas.store.change<Quota>(namespace, name, (quota) => {
        refused.clear();
        // The quota may be gone since.
        if (!quota) return { do: "keep", object: { metadata: {} } as Quota };
        const now = this.#clock.now();
        let after = quota;
        for (const charge of charges) {
          try {
            const taken = take(charge.request, after, now);
            if (taken && !charge.request.dryRun) after = taken;
          } catch (thrown) {
            refused.set(charge, thrown);
          }
        }
        // An unchanged status needs no write.
        if (after === quota) return { do: "keep", object: quota };
        updateManagedFields(this.#quotas, after, quota, STATUS_WRITE, now);
        return { do: "write", object: after };
      });
    } catch (thrown) {
      for (const charge of charges) if (!refused.has(charge)) refused.set(charge, thrown);
    }
    for (const charge of charges) {
      if (refused.has(charge)) charge.reject(refused.get(charge));
      else charge.resolve();
    }
  }
}

function isAbout({ operation, resource, subresource, namespace, object }: AdmissionRequest) {
  const { group, plural, served } = resource.kind;
  if (namespace === "" || object === undefined || served !== "stored") return false;
  if (operation === "CREATE") return subresource === "";
  const also = group === "" ? own(GROWING, plural) : undefined;
  return operation === "UPDATE" && also !== undefined && ["", ...also].includes(subresource);
}

/** The quota after the request; undefined when it does not concern it. Throws 403 beyond it. */
function take(request: AdmissionRequest, quota: Quota, now_ms: number): Quota | undefined {
  const { kind } = request.resource;
  const object = request.object!;
  const isPod = kind.group === "" && kind.plural === "pods";
  if (!covers(quota, kind, object)) return undefined;
  const { hard = {}, used = {} } = quota.status ?? {};
  const isAsked = isPod && request.operation === "CREATE" && !isMadeByNode(object as Pod);
  if (isAsked) checkAsked(request, quota, hard);
  // Usage outside the quota's scopes was not charged to it.
  const { old } = request;
  const before = old && covers(quota, kind, old) ? usageOf(kind, old, now_ms) : {};
  const more: Amounts = {};
  for (const [name, amount] of Object.entries(chargesOf(request, now_ms))) {
    const delta = subtractQuantity(amount, before[name] ?? "0");
    if (Object.hasOwn(hard, name) && compareQuantity(delta, "0") > 0) more[name] = delta;
  }
  if (Object.keys(more).length === 0) return undefined;
  const after: Amounts = {};
  for (const [name, delta] of Object.entries(more)) {
    if (used[name] === undefined) throw unknownStatus(request, quota, more);
    after[name] = addQuantity(used[name], delta);
  }
  // The status of a claim is written by its driver, after the fact: it is counted, never refused.
  const beyond = Object.keys(more).filter((name) => compareQuantity(after[name]!, hard[name]!) > 0);
  if (beyond.length > 0 && request.subresource !== "status")
    throw exceeded(request, quota, beyond, more);
  const status = { ...quota.status, hard, used: { ...used, ...after } };
  return { ...quota, metadata: { ...quota.metadata }, status };
}

/** Events are the same objects in two groups, and count by both names (not upstream). */
const EVENTS = ["count/events", "count/events.events.k8s.io"];

function chargesOf({ resource, object }: AdmissionRequest, now_ms: number): Amounts {
  const usage = usageOf(resource.kind, object!, now_ms);
  const isEvent = EVENTS.some((name) => usage[name] !== undefined);
  return isEvent ? Object.fromEntries(EVENTS.map((name) => [name, "1"])) : usage;
}

function unknownStatus(request: AdmissionRequest, quota: Quota, more: Amounts) {
  const names = Object.keys(more).sort().join(",");
  const why = `status unknown for quota: ${quota.metadata.name}, resources: ${names}`;
  return refusal(request, why);
}

function exceeded(request: AdmissionRequest, quota: Quota, names: string[], more: Amounts) {
  const { hard = {}, used = {} } = quota.status ?? {};
  const shown = (amounts: Readonly<Amounts>) =>
    [...names]
      .sort()
      .map((name) => `${name}=${amounts[name]}`)
      .join(",");
  return refusal(
    request,
    `exceeded quota: ${quota.metadata.name}, requested: ${shown(more)}, ` +
      `used: ${shown(used)}, limited: ${shown(hard)}`,
  );
}

function checkAsked(request: AdmissionRequest, quota: Quota, hard: Readonly<Amounts>): void {
  const { spec } = request.object as Pod;
  const { requests, limits } = spec.resources ?? {};
  if (Object.keys({ ...requests, ...limits }).some(isPodLevelResource)) return;
  const containers: Container[] = [...spec.containers, ...(spec.initContainers ?? [])];
  const missing = Object.keys(hard)
    .sort()
    .flatMap((name) => {
      const asked = own(ASKED_FOR, name);
      if (asked === undefined) return [];
      const without = containers.filter((each) => !each.resources?.[asked[0]]?.[asked[1]]);
      const names = without.map((each) => each.name).sort();
      return names.length === 0 ? [] : [`${name} for: ${names.join(",")}`];
    });
  if (missing.length === 0) return;
  const why = `failed quota: ${quota.metadata.name}: must specify ${missing.join("; ")}`;
  throw refusal(request, why);
}
